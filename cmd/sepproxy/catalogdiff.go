package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/report"
)

func catalogDiffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff A B [AUDIT-FILE...]",
		Short: "Tell what differs between two catalogs, and whether clients use it",
		Long: `Tell what it takes to make catalog B of catalog A: endpoints added, removed and moved to another service,
changed ports and SEP versions. A and B are catalog files, "builtin", or "policy", the catalog that the policy
of --config names. With --audit, each of them has what audit files say of it. The exit code is 1 where they differ.`,
		Example: "  sepproxy catalog diff policy catalog.yaml --audit audit.jsonl\n  sepproxy catalog diff builtin policy --config config.yaml --json",
		Args:    cobra.MinimumNArgs(2),
	}
	load := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print a JSON list")
	files := cmd.Flags().StringArray("audit", nil, "audit `FILE` to look for what changes; may be given several times, and more may follow A and B")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 2 && *files == nil {
			return errors.New("want two catalogs; audit files go with --audit")
		}
		var sides [2]*catalog.Catalog
		for i := range sides {
			var err error
			if sides[i], err = catalogNamed(args[i], load); err != nil {
				return err
			}
		}
		differences, err := compare(cmd.Context(), sides[0], sides[1], append(*files, args[2:]...), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		write := writeDifferences
		if *asJSON {
			write = writeDifferencesJSON
		}
		if err := write(cmd.OutOrStdout(), differences); err != nil {
			return failure{fmt.Errorf("writing the differences: %w", err)}
		}
		if len(differences) > 0 {
			return errNo
		}
		return nil
	}
	return cmd
}

// catalogNamed gives the catalog that an argument of diff means.
func catalogNamed(name string, load func() (*config, error)) (*catalog.Catalog, error) {
	if name != "policy" {
		return catalog.Load(name)
	}
	c, err := load()
	if err != nil {
		return nil, err
	}
	p, err := policy.Load(c.Policy.Path, time.Now())
	return p.Catalog(), err
}

// A difference is a change, and its use where audit files were given.
type difference struct {
	catalog.Change
	Usage *report.Usage `json:"usage,omitempty"`
}

func compare(ctx context.Context, a, b *catalog.Catalog, files []string, stderr io.Writer) ([]difference, error) {
	changes := catalog.Diff(a, b)
	differences := make([]difference, len(changes))
	endpoints := make([]catalog.Endpoint, len(changes))
	for i, change := range changes {
		differences[i].Change, endpoints[i] = change, change.Endpoint
	}
	if files == nil || changes == nil {
		return differences, nil
	}
	usages, broken, err := report.Usages(ctx, files, endpoints)
	if err != nil {
		return nil, failure{err}
	}
	if broken > 0 {
		fmt.Fprintf(stderr, "sepproxy: %d lines of the audit files are no records and were not counted\n", broken)
	}
	for i := range usages {
		differences[i].Usage = &usages[i]
	}
	return differences, nil
}

func writeDifferencesJSON(w io.Writer, differences []difference) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(differences)
}

// signs begin the lines of the text form.
var signs = map[string]string{catalog.ChangeAdded: "+", catalog.ChangeRemoved: "-", catalog.ChangeMoved: ">",
	catalog.ChangePort: "~", catalog.ChangeVersions: "~"}

func writeDifferences(w io.Writer, differences []difference) error {
	var text strings.Builder
	for _, d := range differences {
		fmt.Fprintf(&text, "%s %s %s%s\n", signs[d.Kind], d.Service, d.URL, detail(d.Change))
		if d.Usage != nil {
			fmt.Fprintf(&text, "    %s\n", used(d.Usage))
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func detail(c catalog.Change) string {
	switch {
	case c.Kind == catalog.ChangeVersions:
		return fmt.Sprintf(" (SEP versions: %s, were %s)", c.Now, c.Was)
	case c.Was != "":
		return fmt.Sprintf(" (was %s)", c.Was)
	case c.Still != nil:
		return fmt.Sprintf(" (still listed for %s)", strings.Join(c.Still, ", "))
	}
	return ""
}

func used(u *report.Usage) string {
	if u.Requests == 0 {
		return "not asked for"
	}
	return fmt.Sprintf("asked for %d times by %d clients, %d denied, last %s",
		u.Requests, u.Clients, u.Denied, u.LastSeen.UTC().Format(time.RFC3339))
}
