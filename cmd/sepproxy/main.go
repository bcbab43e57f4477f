// Command sepproxy is a forward proxy that lets Symantec Endpoint Protection reach the services
// its vendor documents, and nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

// Exit codes.
const (
	exitFine  = 0
	exitNo    = 1 // it ran, and the answer is no
	exitUsage = 2 // wrong usage or an invalid file
)

// errNo ends a command whose answer is no and has been printed.
var errNo = errors.New("the answer is no")

// A failure is an error of something that ran, as opposed to one of usage: its exit code is exitNo.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program, less the exit.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	mistakes, invalid := errors.AsType[strictyaml.Mistakes](err)
	_, ran := errors.AsType[failure](err)
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errNo):
		return exitNo
	case invalid:
		fmt.Fprintln(stderr, mistakes)
		return exitUsage
	case ran:
		fmt.Fprintf(stderr, "sepproxy: %v\n", err)
		return exitNo
	}
	fmt.Fprintf(stderr, "sepproxy: %v\n", err)
	return exitUsage
}
