package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sepproxy/sepproxy/admin"
)

// healthTimeout bounds how long health waits for an answer.
const healthTimeout = 5 * time.Second

func healthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running proxy whether it is ready",
		Long:  "Ask /readyz of the proxy that runs with this configuration. The exit code is 0 if it is ready, 1 if not.",
		Args:  cobra.NoArgs,
	}
	load := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if c.Admin.Address == "" {
			return errors.New("admin.address is empty: there is nobody to ask")
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
		defer cancel()
		if err := admin.Health(ctx, c.Admin.Address); err != nil {
			return failure{err}
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "ready")
		return err
	}
	return cmd
}
