package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sepproxy/sepproxy/internal/strictyaml"
	"github.com/sepproxy/sepproxy/policy"
)

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check configuration, policy and catalog, and print every mistake",
		Long: `Load configuration, policy and catalog without running anything, and print every mistake as
file:line:column: message, and warnings about rules that let more through than they seem to.
The exit code is 0 if the files can be used, 2 if not.`,
		Args: cobra.NoArgs,
	}
	load := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return check(cmd.OutOrStdout(), load)
	}
	return cmd
}

// errInvalid ends check after it printed the mistakes.
var errInvalid = errors.New("the files cannot be used")

func check(w io.Writer, load func() (*config, error)) error {
	c, err := load()
	if c == nil {
		return err
	}
	p, policyErr := policy.Load(c.Policy.Path, time.Now())
	if err := mistakesOf(err, policyErr); err != nil {
		return invalid(w, err)
	}
	for _, warning := range c.warnings(p) {
		fmt.Fprintf(w, "%s (warning)\n", warning)
	}
	services := p.InForce()
	_, err = fmt.Fprintf(w, "ok: policy %s, mode %s, %d services\n", p.Revision(), p.Mode(time.Now()), len(services))
	return err
}

// mistakesOf joins the mistakes of several files; an error of another kind goes before them.
func mistakesOf(errs ...error) error {
	var all strictyaml.Mistakes
	for _, err := range errs {
		mistakes, ok := errors.AsType[strictyaml.Mistakes](err)
		if err != nil && !ok {
			return err
		}
		all = append(all, mistakes...)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// invalid prints mistakes as the result that they are here.
func invalid(w io.Writer, err error) error {
	mistakes, ok := errors.AsType[strictyaml.Mistakes](err)
	if !ok {
		return err
	}
	fmt.Fprintln(w, mistakes)
	return errInvalid
}
