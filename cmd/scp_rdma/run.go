package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
)

// run is the program: it gives the exit code. The end of ctx interrupts it; a
// signalError as its cause says by what.
func run(ctx context.Context, e env, args []string) int {
	var err error
	if e.heir, err = inherit(e); err != nil {
		fmt.Fprintln(e.stderr, "scp_rdma: "+errorLine(err))
		return exitFor(err)
	}
	o := options{words: words(args)}
	cmd := &cobra.Command{
		Use: "scp_rdma", SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.prepare(e, cmd.Flags(), args); err != nil {
				return err
			}
			return act(cmd.Context(), e, &o, args)
		},
	}
	o.addFlags(cmd.Flags())
	cmd.SetOut(e.stdout)
	cmd.SetErr(e.stderr)
	var helpErr error
	cmd.SetHelpFunc(func(*cobra.Command, []string) { helpErr = printOut(e, help()) })
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	if asks(args) {
		o.completes(cmd, args[1:])
	}
	cmd.SetArgs(o.words)
	err = errors.Join(cmd.ExecuteContext(ctx), helpErr)
	if err != nil && !errors.Is(err, errPartial) && !errors.As(err, new(toldError)) {
		for _, line := range errorLines(err) {
			fmt.Fprintln(e.stderr, o.saidAs("error", "scp_rdma: "+line))
		}
	}
	return exitFor(err)
}

// act does what the flags ask for.
func act(ctx context.Context, e env, o *options, args []string) error {
	con := newConsole(e, o)
	log := newLog(con, o)
	switch {
	case o.version:
		return printOut(e, fmt.Sprintf("scp_rdma %s (%s %s/%s, transports: %s)\n",
			version, runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(builtIn(), ", ")))
	case o.pages.wanted():
		return o.pages.print(e, args)
	case o.quota.show && len(args) > 0:
		return usagef("%s: quota takes no files; the list of keys is named with --authorized FILE", quote(args[0]))
	case o.quota.show:
		return quotas(e, con, o)
	case o.showConfig && len(args) > 1:
		return usagef("%s: config shows what holds for one host", quote(args[1]))
	case o.showConfig:
		return showConfig(e, o, args)
	case o.servesSSH && len(args) > 0:
		return usagef("%s: --over-ssh is for what a client starts by ssh, it takes no files", quote(args[0]))
	case o.servesSSH:
		return serveOverSSH(ctx, e, o)
	case o.keygen && len(args) > 0:
		return usagef("%s: keygen makes a key, it takes no files; another place for it is --key-file FILE", quote(args[0]))
	case o.keygen:
		return keygen(e, o)
	case o.clean && len(args) > 0:
		return usagef("%s: clean looks below -o DIR, it takes no files", quote(args[0]))
	case o.clean:
		return clean(con, o)
	case o.devices && len(args) > 1:
		return usagef("%s: devices looks at one host", quote(args[1]))
	case o.devices && len(args) == 1:
		return inspect(ctx, e, con, o, args[0], log)
	case o.devices:
		return devices(ctx, e, o, log)
	case o.bench && len(args) != 1:
		return usagef("bench needs one host, as in: scp_rdma bench server")
	case o.checkList:
		return verify(ctx, e, con, o, args)
	case o.bench:
		return bench(ctx, e, con, o, args[0], log)
	case o.server && len(args) > 0:
		return usagef("%s: -s receives files, it takes none", quote(args[0]))
	case o.server:
		return serve(ctx, e, con, o, log)
	}
	return transfer(ctx, e, con, o, args, log)
}

// transfer sends or fetches, or lists what could be fetched.
func transfer(ctx context.Context, e env, con *console, o *options, args []string, log hclog.Logger) error {
	if o.list {
		return list(ctx, e, con, o, args, log)
	}
	if o.targets.several() {
		return pushToAll(ctx, e, con, o, args, log)
	}
	j, err := parseCopy(args, o.exact, o.ssh)
	if err != nil {
		return err
	}
	j = o.alias.meantIn(j)
	if err := j.far().fits(o); err != nil {
		return err
	}
	if len(j.from) > 0 {
		return fetch(ctx, e, con, o, j, log)
	}
	return push(ctx, e, con, o, j, log)
}

// newLog is the log on stderr.
func newLog(con *console, o *options) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: "scp_rdma", Level: o.level(), Output: logLines{con}, JSONFormat: o.logsJSON()})
}

// level is what is logged: warnings, and more with -v.
func (o *options) level() hclog.Level {
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
	return level
}

// printOut prints what was asked for. Nobody to read it is an error.
func printOut(e env, text string) error {
	if _, err := fmt.Fprint(e.stdout, text); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
