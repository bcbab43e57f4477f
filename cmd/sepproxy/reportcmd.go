package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/report"
)

// reportFlags are the flags of report as given.
type reportFlags struct {
	since, until, format, lang, output string
	suggest, skipChain                 bool
}

func reportCommand() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report [AUDIT-FILE...]",
		Short: "Tell which documented services were used, what was not, and what was denied",
		Long: `Read audit files, rotated and compressed ones too, and tell which documented services clients used,
which nobody used, which undocumented endpoints were tried, and what was denied. Without AUDIT-FILE
the trail of the configuration is read, all files of it. Times are RFC 3339 (2026-11-23T14:00:00Z),
a date (2026-11-23, local midnight), or an age (36h, 7d).`,
		Example: "  sepproxy report --since 7d\n  sepproxy report --format json audit-*.jsonl.gz audit.jsonl",
	}
	load := configFlag(cmd)
	cmd.Flags().StringVar(&f.since, "since", "", "leave out what was before `TIME`")
	cmd.Flags().StringVar(&f.until, "until", "", "leave out what was at `TIME` and later")
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: "+strings.Join(reportFormats(), ", "))
	cmd.Flags().StringVar(&f.output, "output", "", "write to `FILE`, which is replaced whole, instead of standard output")
	cmd.Flags().BoolVar(&f.suggest, "suggest", false, "write a fragment of policy.yaml instead: rules for what was found, and what could be closed")
	cmd.MarkFlagsMutuallyExclusive("suggest", "format")
	cmd.Flags().BoolVar(&f.skipChain, "skip-chain", false, "do not check the trail's chain, which is more than a third of the work")
	langFlag(cmd, &f.lang)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		return runReport(cmd.Context(), c, f, files, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func langFlag(cmd *cobra.Command, lang *string) {
	cmd.Flags().StringVar(lang, "lang", "en", "`LANGUAGE`: en or es")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"en", "es"}, cobra.ShellCompDirectiveNoFileComp))
}

func checkLang(lang string) error {
	if lang != "en" && lang != "es" {
		return fmt.Errorf("--lang: want en or es, not %q", lang)
	}
	return nil
}

func runReport(ctx context.Context, c *config, f reportFlags, files []string, stdout, stderr io.Writer) error {
	o, err := f.options(time.Now())
	if err != nil {
		return err
	}
	p, err := policy.Load(c.Policy.Path, time.Now())
	if err != nil {
		return err
	}
	o.Services, o.Catalog = p.InForce(), p.Catalog()
	if files, err = trailOf(c, files); err != nil {
		return err
	}
	bar := report.NewBar(os.Stderr)
	o.Progress = bar.Update
	r, err := report.Build(ctx, files, o)
	bar.Finish()
	if err != nil {
		return failure{err}
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(stderr, "sepproxy:", w)
	}
	return f.write(f.writer(r, p), stdout)
}

func (f reportFlags) options(now time.Time) (o report.Options, err error) {
	if err := checkLang(f.lang); err != nil {
		return o, err
	}
	if err := checkFormat(f.format, reportFormats()); err != nil {
		return o, err
	}
	if f.skipChain && f.format == formatHTML {
		return o, errors.New("--skip-chain: the HTML report says whether the chain is whole: leave one of the two out")
	}
	o.Lang, o.SkipChain = f.lang, f.skipChain
	if o.Since, err = parseTime("--since", f.since, now); err != nil {
		return o, err
	}
	o.Until, err = parseTime("--until", f.until, now)
	return o, err
}

func checkFormat(format string, known []string) error {
	for _, k := range known {
		if k == format {
			return nil
		}
	}
	return fmt.Errorf("--format: want one of %s, not %q", strings.Join(known, ", "), format)
}

// write writes to standard output, or replaces the output file whole or not at all.
func (f reportFlags) write(write func(io.Writer) error, stdout io.Writer) error {
	if f.output == "" {
		if err := write(stdout); err != nil {
			return failure{err}
		}
		return nil
	}
	if info, err := os.Stat(f.output); err == nil && !info.Mode().IsRegular() {
		return failure{fmt.Errorf("writing the report: %s is not a regular file and would be replaced by one: name another, or leave --output out", f.output)}
	}
	temp := f.output + ".tmp"
	file, err := os.Create(temp)
	if err != nil {
		return failure{fmt.Errorf("writing the report: %w", err)}
	}
	err = write(file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp, f.output)
	}
	if err != nil {
		_ = os.Remove(temp)
		return failure{fmt.Errorf("writing the report: %w", err)}
	}
	return nil
}

// parseTime reads a time as report's help describes it; "" is the zero time.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	var age duration
	if err := age.UnmarshalText([]byte(text)); err == nil {
		return now.Add(-time.Duration(age)), nil
	}
	return time.Time{}, fmt.Errorf("%s: want a time such as 2026-11-23T14:00:00Z, 2026-11-23 or 7d, not %q", flag, text)
}

// trailOf gives the files named, or all of the configuration's trail.
func trailOf(c *config, files []string) ([]string, error) {
	if len(files) > 0 {
		return files, nil
	}
	if c.Audit.Path == "-" {
		return nil, fmt.Errorf("the audit trail goes to standard output here: name the files that it was stored in")
	}
	files, err := audit.Files(c.Audit.Path)
	if err != nil {
		return nil, failure{err}
	}
	return files, nil
}
