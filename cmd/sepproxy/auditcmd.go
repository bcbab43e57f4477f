package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sepproxy/sepproxy/audit"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check, print or follow the audit trail",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(auditVerifyCommand(), auditShowCommand(), auditTailCommand())
	return cmd
}

const filesHelp = "\nWithout FILE the trail of the configuration is read, rotated and compressed files included."

func auditVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [FILE...]",
		Short: "Check the hash chain",
		Long: `Check that no record was edited, removed, reordered or put in from another trail, and name file and
line where one was. What cannot be found in the files alone is a trail that was computed anew, or an
end that was cut off: compare the last chain that is printed with one kept elsewhere.
The exit code is 0 if the chain holds, 1 if not.` + filesHelp,
	}
	load := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		r, err := verify(cmd.Context(), c, files)
		if err != nil {
			return err
		}
		return printVerified(cmd.OutOrStdout(), r)
	}
	return cmd
}

// verify checks the files named, or the whole of the configuration's trail: of that, nothing may be missing.
func verify(ctx context.Context, c *config, files []string) (r audit.Result, err error) {
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return r, failure{err}
		}
	}
	if len(files) > 0 {
		r, err = audit.Verify(ctx, files)
	} else {
		if _, err := trailOf(c, nil); err != nil {
			return r, err
		}
		r, err = audit.VerifyTrail(ctx, c.Audit.Path)
	}
	if err != nil {
		err = failure{err}
	}
	return r, err
}

func printVerified(w io.Writer, r audit.Result) error {
	for _, p := range r.Problems {
		fmt.Fprintln(w, p)
	}
	if r.More > 0 {
		fmt.Fprintf(w, "… and %d more\n", r.More)
	}
	if r.MissingBefore > 0 {
		fmt.Fprintf(w, "note: the files begin with record %d; what was before it is not among them\n", r.MissingBefore)
	}
	verdict := "ok"
	if !r.OK() {
		verdict = "BROKEN"
	}
	fmt.Fprintf(w, "%s: %d records in %d files, sequence %d to %d, last chain %s\n",
		verdict, r.Records, r.Files, r.First, r.Last, r.Chain)
	if !r.OK() {
		return errNo
	}
	return nil
}

func auditShowCommand() *cobra.Command {
	var view audit.View
	cmd := &cobra.Command{
		Use:   "show [FILE...]",
		Short: "Print records, a line each",
		Long:  "Print records for people, or as they are (--json). Nothing in them can steer a terminal." + filesHelp,
	}
	load := configFlag(cmd)
	cmd.Flags().BoolVar(&view.JSON, "json", false, "print the records as they are, one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if files, err = trailOf(c, files); err != nil {
			return err
		}
		if err := audit.Show(cmd.OutOrStdout(), files, view); err != nil {
			return failure{err}
		}
		return nil
	}
	return cmd
}

func auditTailCommand() *cobra.Command {
	view := audit.View{}
	cmd := &cobra.Command{
		Use:   "tail [FILE]",
		Short: "Follow the trail as it is written, through rotations",
		Long: `Print the last records and then every new one, until interrupted. Without FILE the trail of the
configuration is followed.`,
		Args: cobra.MaximumNArgs(1),
	}
	load := configFlag(cmd)
	cmd.Flags().BoolVar(&view.JSON, "json", false, "print the records as they are, one JSON object a line")
	cmd.Flags().IntVarP(&view.Last, "lines", "n", 10, "begin with the last `N` records")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		path := c.Audit.Path
		if len(files) > 0 {
			path = files[0]
		}
		if path == "-" {
			return fmt.Errorf("the audit trail goes to standard output here: name the file that it is stored in")
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		if err := audit.Tail(ctx, cmd.OutOrStdout(), path, view); err != nil {
			return failure{err}
		}
		return nil
	}
	return cmd
}
