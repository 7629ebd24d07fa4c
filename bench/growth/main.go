package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() { os.Exit(program()) }

// program is main without the exit.
func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case os.Getenv(envServe) != "":
		err = serve(ctx, os.Stdout)
	case os.Getenv(envSend) != "":
		err = send(ctx, os.Getenv(envSend), os.Stdout)
	default:
		err = command(os.Stdout).ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "growth: %v\n", err)
		return 1
	}
	return 0
}

// options is what the command line says.
type options struct {
	files, gib int64
	rounds     int
	out        string
}

func command(stdout io.Writer) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "growth", Short: "growth measures what transfers cost as they grow", Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return measureAll(cmd.Context(), o, stdout) },
	}
	f := cmd.Flags()
	f.Int64Var(&o.files, "files", 10_000_000, "the most files")
	f.Int64Var(&o.gib, "gib", 64, "the largest file, GiB")
	f.IntVar(&o.rounds, "rounds", 3, "rounds of each point; medians count")
	f.StringVar(&o.out, "out", "bench/results", "directory for the page and the JSON lines; '': print only")
	return cmd
}

// measureAll measures both series, and keeps them.
func measureAll(ctx context.Context, o options, stdout io.Writer) error {
	var all []point
	for _, w := range works(o.files, o.gib<<30) {
		p, err := measure(ctx, w, o.rounds)
		if err != nil {
			return fmt.Errorf("%v: %w", w, err)
		}
		fmt.Fprintln(stdout, p)
		all = append(all, p)
	}
	if o.out == "" {
		return nil
	}
	name := filepath.Join(o.out, time.Now().UTC().Format("2006-01-02-1504")+"-growth")
	if err := keep(name, all); err != nil {
		return err
	}
	fmt.Fprintln(stdout, name+".html")
	return nil
}
