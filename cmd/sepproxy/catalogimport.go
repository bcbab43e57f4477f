package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/catalog/vendorpage"
)

func catalogImportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Make a catalog file of the vendor's page, saved as HTML or text",
		Long: `Read the vendor's page, saved as HTML or as text in any of its languages, and print a catalog file.
Services that the catalog has already keep their ids, texts and attributes; what is new or cannot be told
without reading is marked with review. Lines that look like a URL and were not understood are told on
standard error with their number, and the exit code is then 1; the file is printed all the same.`,
		Example: "  sepproxy catalog import page.html > catalog.yaml && sepproxy catalog diff builtin catalog.yaml",
		Args:    cobra.ExactArgs(1),
	}
	path := cmd.Flags().String("catalog", "", "known catalog `FILE` instead of the built-in catalog")
	edition := cmd.Flags().String("edition", "", "`NAME` of the page's edition, such as 2027-01; without one: that of the known catalog")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		known, err := catalog.Load(*path)
		if err != nil {
			return err
		}
		data, err := readPage(args[0], cmd.InOrStdin())
		if err != nil {
			return err
		}
		result, err := vendorpage.Import(data, known)
		if err != nil {
			return fmt.Errorf("importing %s: %w", args[0], err)
		}
		if *edition != "" {
			result.Catalog.Edition = *edition
		}
		return printImport(cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0], result)
	}
	return cmd
}

// mostPage bounds what is read as a page, in bytes; the vendor's has a few hundred kilobytes.
const mostPage = 64 << 20

func readPage(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading the page: %w", err)
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, mostPage+1))
	if err == nil && len(data) > mostPage {
		err = fmt.Errorf("it has more than %d bytes", mostPage)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the page %s: %w", name, err)
	}
	return data, nil
}

// printImport prints the catalog, once it is sure that it can be read back, and to stderr what a person has to look at.
func printImport(stdout, stderr io.Writer, name string, r *vendorpage.Result) error {
	var file bytes.Buffer
	if err := catalog.Export(&file, r.Catalog, "yaml", catalog.Options{}); err != nil {
		return err
	}
	if _, err := catalog.Parse("what import made of "+name, file.Bytes()); err != nil {
		return err
	}
	services, endpoints, reviews := 0, 0, 0
	for s := range r.Catalog.Services() {
		services, endpoints = services+1, endpoints+len(s.Endpoints)
		reviews += reviewed(s.Review)
		for _, e := range s.Endpoints {
			reviews += reviewed(e.Review)
		}
	}
	fmt.Fprintf(stderr, "%d groups, %d services, %d endpoints; %d to review, %d lines not understood\n",
		len(r.Catalog.Groups), services, endpoints, reviews, len(r.Leftovers))
	for _, id := range r.Gone {
		fmt.Fprintf(stderr, "no longer on the page: %s\n", id)
	}
	for _, l := range r.Leftovers {
		fmt.Fprintf(stderr, "%s:%d: not understood: %s: %s\n", name, l.Line, l.Why, audit.Printable(l.Text))
	}
	if _, err := file.WriteTo(stdout); err != nil {
		return failure{fmt.Errorf("writing the catalog: %w", err)}
	}
	if len(r.Leftovers) > 0 {
		return errNo
	}
	return nil
}

func reviewed(review string) int {
	if review == "" {
		return 0
	}
	return 1
}
