package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

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
	cmd.AddCommand(auditVerifyCommand(), auditShowCommand(), auditTailCommand(), auditKeygenCommand())
	return cmd
}

const filesHelp = "\nWithout FILE the trail of the configuration is read, rotated and compressed files included."

func auditVerifyCommand() *cobra.Command {
	var checkpoints, publicKey string
	cmd := &cobra.Command{
		Use:   "verify [FILE...]",
		Short: "Check the hash chain",
		Long: `Check that no record was edited, removed, reordered or put in from another trail, and name file and
line where one was. What cannot be found in the files alone is a trail that was computed anew, or an
end that was cut off: those are found against checkpoints kept elsewhere.
The exit code is 0 if the chain holds, 1 if not.` + filesHelp,
	}
	load := configFlag(cmd)
	cmd.Flags().StringVar(&checkpoints, "checkpoints", "", "`FILE` of checkpoints to compare with; without FILE... the configuration's, if it has any")
	cmd.Flags().StringVar(&publicKey, "public-key", "", "public key `FILE` of the checkpoints; without it, that of the configuration's key")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if checkpoints == "" && len(files) == 0 {
			checkpoints = c.Audit.Checkpoint.Path
		}
		if checkpoints == "" && publicKey != "" {
			return errors.New("--public-key needs --checkpoints")
		}
		stated, problems, err := readCheckpoints(checkpoints, publicKey, c.Audit.Checkpoint.KeyFile)
		if err != nil {
			return err
		}
		r, err := verify(cmd.Context(), c, files, stated)
		if err != nil {
			return err
		}
		r.Problems = append(problems, r.Problems...)
		return printVerified(cmd.OutOrStdout(), r, checkpoints != "")
	}
	return cmd
}

// readCheckpoints reads the checkpoints in path, none where it is "", with the public key given, or
// that of the key that signs them.
func readCheckpoints(path, publicKey, privateKey string) ([]audit.Checkpoint, []audit.Problem, error) {
	if path == "" {
		return nil, nil, nil
	}
	var key ed25519.PublicKey
	switch {
	case publicKey != "":
		public, err := audit.LoadPublicKey(publicKey)
		if err != nil {
			return nil, nil, err
		}
		key = public
	case privateKey != "":
		private, err := audit.LoadPrivateKey(privateKey)
		if err != nil {
			return nil, nil, err
		}
		key = private.Public().(ed25519.PublicKey)
	default:
		return nil, nil, errors.New("--checkpoints needs --public-key")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, failure{fmt.Errorf("reading checkpoints: %w", err)}
	}
	defer f.Close()
	list, problems, err := audit.ReadCheckpoints(path, f, key)
	if err == nil && len(list)+len(problems) == 0 {
		err = fmt.Errorf("reading checkpoints: there are none in %s", path)
	}
	if err != nil {
		return nil, nil, failure{err}
	}
	return list, problems, nil
}

// verify checks the files named, or the whole of the configuration's trail: of that, nothing may be missing.
func verify(ctx context.Context, c *config, files []string, checkpoints []audit.Checkpoint) (r audit.Result, err error) {
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return r, failure{err}
		}
	}
	if len(files) > 0 {
		r, err = audit.Verify(ctx, files, checkpoints...)
	} else {
		if _, err := trailOf(c, nil); err != nil {
			return r, err
		}
		r, err = audit.VerifyTrail(ctx, c.Audit.Path, checkpoints...)
	}
	if err != nil {
		err = failure{err}
	}
	return r, err
}

func printVerified(w io.Writer, r audit.Result, compared bool) error {
	for _, p := range r.Problems {
		fmt.Fprintln(w, p)
	}
	if r.More > 0 {
		fmt.Fprintf(w, "… and %d more\n", r.More)
	}
	verdict := "ok"
	if !r.OK() {
		verdict = "BROKEN"
	}
	fmt.Fprintf(w, "%s: %d records in %d files, sequence %d to %d, last chain %s\n",
		verdict, r.Records, r.Files, r.First, r.Last, r.Chain)
	if r.MissingBefore > 0 {
		fmt.Fprintf(w, "note: the files begin with record %d; what was before it is not among them\n", r.MissingBefore)
	}
	switch {
	case compared && r.Agreed > 0:
		fmt.Fprintf(w, "%d checkpoints agree, the last one of %s with record %d%s\n",
			r.Agreed, r.CoveredAt.UTC().Format(time.RFC3339), r.Covered, unvouched(r.Last-r.Covered))
	case compared:
		fmt.Fprintln(w, "no checkpoint agrees")
	default:
		fmt.Fprintln(w, "note: without checkpoints, a trail that was computed anew or cut off at its end looks whole")
	}
	if !r.OK() {
		return errNo
	}
	return nil
}

// unvouched tells of the records behind the last checkpoint.
func unvouched(records uint64) string {
	if records == 0 {
		return ": all of the trail"
	}
	return fmt.Sprintf("; nothing vouches for the %d behind it", records)
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

func auditKeygenCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "keygen --out FILE",
		Short: "Make a key for checkpoints",
		Long: `Make an Ed25519 key: the private one in FILE, for audit.checkpoint.key_file, readable by its owner
alone, and the public one in FILE.pub, for whoever verifies. Neither file may exist.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := audit.GenerateKey(out); err != nil {
				return failure{err}
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "private key: %s\npublic key: %s.pub\n", out, out)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for the private key")
	_ = cmd.MarkFlagRequired("out")
	return cmd
}
