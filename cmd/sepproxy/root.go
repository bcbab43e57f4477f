package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sepproxy",
		Short: "Forward proxy for Symantec Endpoint Protection: the documented endpoints, and nothing else",
		Long: `sepproxy is an explicit forward proxy for machines that may not reach the Internet. It lets
Symantec Endpoint Protection and Endpoint Security agents, their manager and their cloud console
reach the hosts that the vendor documents, refuses everything else, never looks inside TLS, and
records every decision in a hash-chained audit trail.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(serveCommand(), checkCommand(), explainCommand(), reportCommand(), auditCommand(),
		catalogCommand(), healthCommand(), versionCommand())
	return root
}

// configFlag adds --config to a command and gives the loader that honours it.
func configFlag(cmd *cobra.Command) func() (*config, error) {
	path := cmd.Flags().String("config", "", "configuration `FILE`; without one: built-in defaults")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return func() (*config, error) { return loadConfig(*path) }
}

// version is set by release builds.
var version = ""

// buildVersion tells what was built: the release, or what the Go toolchain recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return "devel"
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "sepproxy "+buildVersion())
			return err
		},
	}
}
