package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
)

// run is the program: it gives the exit code.
func run(e env, args []string) int {
	var o options
	cmd := &cobra.Command{
		Use: "scp_rdma", SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd.Flags()); err != nil {
				return err
			}
			return act(cmd.Context(), e, &o, args)
		},
	}
	o.addFlags(cmd.Flags())
	cmd.SetOut(e.stdout)
	cmd.SetErr(e.stderr)
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(e.stdout, help(cmd.Flags())) })
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	switch subCommand(args) {
	case "version":
		args = append([]string{"--version"}, args[1:]...)
	case "help":
		args = []string{"--help"}
	}
	cmd.SetArgs(args)
	ctx, stop := signals()
	defer stop()
	err := cmd.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errPartial) && !errors.Is(err, errTold) {
		fmt.Fprintf(e.stderr, "scp_rdma: %s\n", quote(err.Error()))
	}
	return exitFor(err)
}

// subCommand is the sub-command that args call, "" if they mean a copy: a first
// word is one only if no later argument has the form HOST:...
func subCommand(args []string) string {
	if len(args) == 0 || !slices.Contains([]string{"version", "help"}, args[0]) || slices.ContainsFunc(args[1:], looksRemote) {
		return ""
	}
	return args[0]
}

// act does what the flags ask for.
func act(ctx context.Context, e env, o *options, args []string) error {
	log := newLog(e, o)
	switch {
	case o.version:
		_, err := fmt.Fprintf(e.stdout, "scp_rdma %s (%s, %s/%s; transports: %v)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, transportNames())
		return err
	case o.server && len(args) > 0:
		return usagef("%s: -s receives, it takes no files", quote(args[0]))
	case o.server:
		return serve(ctx, e, o, log)
	}
	j, err := parseCopy(args, o.exact)
	if err != nil {
		return err
	}
	return push(ctx, e, o, j, log)
}

// newLog is the log on stderr: warnings, and more with -v.
func newLog(e env, o *options) hclog.Logger {
	level := hclog.Warn
	switch {
	case o.quiet:
		level = hclog.Error
	case o.verbose == 1:
		level = hclog.Info
	case o.verbose == 2:
		level = hclog.Debug
	case o.verbose > 2:
		level = hclog.Trace
	}
	return hclog.New(&hclog.LoggerOptions{Name: "scp_rdma", Level: level, Output: e.stderr})
}

// signals makes a context that the first SIGINT or SIGTERM ends, with the
// signal as its cause. The second one ends the program at once.
func signals() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case s := <-ch:
			signal.Stop(ch) // from here on a signal does what it does by default
			cancel(signalError{s.(syscall.Signal)})
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		close(done)
		<-over
		cancel(nil)
	}
}
