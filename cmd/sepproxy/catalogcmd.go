package main

import (
	"cmp"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/policy"
)

func catalogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalog",
		Short: "Show, export, renew or compare what the vendor documents",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		catalogSubcommand(&cobra.Command{
			Use: "list", Short: "List groups, services and endpoints", Args: cobra.NoArgs,
		}, func(w io.Writer, c *catalog.Catalog, _ []string, o catalog.Options) error {
			return catalog.List(w, c, o)
		}),
		catalogSubcommand(&cobra.Command{
			Use: "show SERVICE|HOST", Short: "Show all that is known of a service or a host", Args: cobra.ExactArgs(1),
			Example: "  sepproxy catalog show agent.insight\n  sepproxy catalog show storage.googleapis.com --lang es",
		}, func(w io.Writer, c *catalog.Catalog, args []string, o catalog.Options) error {
			return catalog.Show(w, c, args[0], o)
		}),
		catalogExportCommand(),
		catalogImportCommand(),
		catalogDiffCommand(),
	)
	return cmd
}

func catalogExportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "export", Short: "Write the catalog in a form for other programs", Args: cobra.NoArgs,
		Long: `Write the catalog. A yaml export can be edited and used in place of the built-in catalog
(policy.yaml: catalog). With --in-force it is what the policy of --config lets somebody reach: groups,
sep_versions, allow and deny rules included.`,
	}
	load := configFlag(cmd)
	inForce := cmd.Flags().Bool("in-force", false, "what the policy allows, instead of all that is documented")
	format := cmd.Flags().String("format", "yaml", "`FORMAT`: "+strings.Join(catalog.Formats(), ", "))
	proxy := cmd.Flags().String("proxy", "", "`HOST:PORT` of the proxy that a pac file names (default admin.pac_proxy, or where the proxy listens)")
	catalogSubcommand(cmd, func(w io.Writer, c *catalog.Catalog, _ []string, o catalog.Options) error {
		if err := checkFormat(*format, catalog.Formats()); err != nil {
			return err
		}
		config, err := load()
		if err != nil {
			return err
		}
		o.Proxy = cmp.Or(*proxy, config.Admin.PACProxy)
		if o.Proxy == "" && len(config.Listen) > 0 { // none: systemd passes the sockets in
			o.Proxy = config.Listen[0].Address
		}
		if *inForce {
			p, err := policy.Load(config.Policy.Path, time.Now())
			if err != nil {
				return err
			}
			c = p.Allowed()
		}
		return catalog.Export(w, c, *format, o)
	})
	cmd.MarkFlagsMutuallyExclusive("catalog", "in-force")
	return cmd
}

// catalogSubcommand adds the flags that all of them have, and runs f with the catalog chosen.
func catalogSubcommand(cmd *cobra.Command, f func(io.Writer, *catalog.Catalog, []string, catalog.Options) error) *cobra.Command {
	var o catalog.Options
	path := cmd.Flags().String("catalog", "", "catalog `FILE` instead of the built-in catalog")
	cmd.Flags().StringVar(&o.Group, "group", "", "only `GROUP`: agent, agent-cloud, sepm, sepm-cloud or icdm in the built-in catalog")
	langFlag(cmd, &o.Lang)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkLang(o.Lang); err != nil {
			return err
		}
		c, err := catalog.Load(*path)
		if err != nil {
			return err
		}
		return f(cmd.OutOrStdout(), c, args, o)
	}
	return cmd
}
