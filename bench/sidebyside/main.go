package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(program()) }

// program is main without the exit.
func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Sources have modes that this mask leaves alone, so that modes can be compared.
	syscall.Umask(0o022)
	return run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// run does what the arguments say: 0 done, 1 ours failed or missed a limit, or
// something could not be measured at all, 2 usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "sidebyside: %v\n", err)
		return 2
	case o == nil: // help was all that was asked for
		return 0
	case o.render != "":
		err = renderAgain(o.render, stdout)
	default:
		err = measureAll(ctx, o, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "sidebyside: %v\n", err)
		return 1
	}
	return 0
}
