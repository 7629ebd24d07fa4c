package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"scp_rdma/bench/model"
)

func main() { os.Exit(program()) }

// program is main without the exit.
func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command(os.Stdout).ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "simulate: %v\n", err)
		return 1
	}
	return 0
}

// options is what the command line says. Sizes and rates are float64 for quantity.
type options struct {
	model.Config
	bytes, slotSize, memory, segment, window, first float64
	sweep                                           string
	page                                            bool
}

func command(stdout io.Writer) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "simulate", Short: "simulate says how a transfer would do over what is not at hand", Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.all(cmd.Context(), cmd.Flags(), stdout) },
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *options) addFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	o.Rate, o.bytes, o.slotSize, o.segment = 400e9/8, 16<<30, 1<<20, 256<<10
	f.Var(bitsVar(&o.Rate), "rate", "of a rail, bits a second, as its own benchmark gives it")
	f.DurationVar(&o.Delay, "delay", 2*time.Microsecond, "of the way, one way")
	f.IntVar(&o.Rails, "rails", 1, "rails")
	f.IntVar(&o.Streams, "streams", 8, "streams, over all rails")
	f.IntVar(&o.Slots, "slots", 4, "slots of each stream")
	f.Var(sizeVar(&o.slotSize), "slot-size", "data bytes of a slot")
	f.Var(sizeVar(&o.memory), "memory", "what all slots of an end may take; 0: no bound")
	f.Var(sizeVar(&o.bytes), "bytes", "of the transfer")
	f.IntVar(&o.Files, "files", 1, "files that are written at once: one for each session, if they are large; 0: no bound")
	f.Var(sizeVar(&o.window), "window", "TCP: what a connection has under way at most; 0: RDMA")
	f.Var(sizeVar(&o.first), "first-window", "TCP: what it begins with")
	f.IntVar(&o.Trips, "trips", 0, "round trips of a session beside its bytes (over TCP 11)")
	f.Var(sizeVar(&o.segment), "segment", "what streams of a rail take turns by")
	for _, end := range []struct {
		name, does string
		host       *model.Host
		cost       model.Host
	}{{"send", "reads", &o.Sender, model.SenderCost(false)}, {"recv", "writes", &o.Receiver, model.ReceiverCost(false)}} {
		*end.host = end.cost
		f.IntVar(&end.host.Cores, end.name+"-cores", 0, "cores of the end that "+end.does+"; 0: one for each stream")
		f.Var(rateVar(&end.host.Sum), end.name+"-sum", "bytes a second that a core of it sums; 0: no checksums")
		f.Var(rateVar(&end.host.Carry), end.name+"-carry", "bytes a second that a core of it copies into or out of a socket; 0: nothing to copy")
		f.DurationVar(&end.host.Frame, end.name+"-frame", end.host.Frame, "what a frame costs a core of it beside its bytes")
		f.Var(rateVar(&end.host.Disk), end.name+"-disk", "bytes a second of all its disks; 0: no bound")
		f.Float64Var(&end.host.Jitter, end.name+"-jitter", 0, "of its disks, 0 to 1: how much of each access is by chance")
	}
	f.Var(rateVar(&o.Sender.Read), "read", "bytes a second that a core copies out of the page cache; 0: files are read without it")
	f.Var(rateVar(&o.Receiver.Write), "write", "bytes a second that a core copies into new pages of the page cache; 0: nothing is written")
	f.BoolVar(&o.OneHost, "one-host", false, "both ends have the sender's cores")
	f.Uint64Var(&o.Seed, "seed", 0, "of what happens by chance")
	f.StringVar(&o.sweep, "sweep", "", "a line for each value: `FLAG=VALUE,...`")
	f.BoolVar(&o.page, "page", false, "print the tables of docs/planning.md")
}

// config is what is simulated.
func (o *options) config() model.Config {
	c := o.Config
	c.Bytes, c.SlotSize, c.Memory = int64(o.bytes), int(o.slotSize), int64(o.memory)
	c.Segment, c.Window, c.FirstWindow = int(o.segment), int64(o.window), int64(o.first)
	return c
}

func (o *options) all(ctx context.Context, f *pflag.FlagSet, stdout io.Writer) error {
	switch {
	case o.page:
		text, err := page()
		fmt.Fprint(stdout, text)
		return err
	case o.sweep != "":
		return o.each(ctx, f, stdout)
	}
	res, err := model.Run(o.config())
	if err != nil {
		return err
	}
	tell(stdout, o.config(), res)
	return nil
}

// each runs the sweep.
func (o *options) each(ctx context.Context, f *pflag.FlagSet, stdout io.Writer) error {
	name, values, ok := strings.Cut(o.sweep, "=")
	if !ok || f.Lookup(name) == nil || name == "sweep" {
		return fmt.Errorf("--sweep %s is no FLAG=VALUE,... of a flag there is", o.sweep)
	}
	fmt.Fprintf(stdout, "%12s %10s %8s %8s %10s %10s  %s\n", name, "GB/s", "of wire", "blocked", "in slots", "slots take", "held back by")
	for v := range strings.SplitSeq(values, ",") {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.Set(name, v); err != nil {
			return fmt.Errorf("--sweep: %w", err)
		}
		res, err := model.Run(o.config())
		if err != nil {
			return fmt.Errorf("%s %s: %w", name, v, err)
		}
		fmt.Fprintf(stdout, "%12s %10s %8.3f %8.3f %10s %10s  %s\n", v, giga(res.Rate), res.Share, res.Blocked,
			short(float64(res.Held), 1024), short(float64(res.Memory), 1024), res.Limit)
	}
	return nil
}

// tell is a result, in words.
func tell(w io.Writer, c model.Config, r model.Result) {
	fmt.Fprintf(w, "%s GB/s (%s bit/s), %.3f of the wire, in %v\n", giga(r.Rate), short(r.Rate*8, 1000), r.Share, r.Took.Round(time.Microsecond))
	fmt.Fprintf(w, "held back by: %s\n", r.Limit)
	fmt.Fprintf(w, "streams: %.3f of the time blocked on credits; %d frames, %d credits, %d requests that were answered\n", r.Blocked, r.Frames, r.Credits, r.Answers)
	fmt.Fprintf(w, "memory: %d streams of %d slots take %sB at each end; at most %sB were in flight\n",
		c.Streams, r.Slots, short(float64(r.Memory), 1024), short(float64(r.Held), 1024))
	fmt.Fprintf(w, "busy: rails %.3f, sending workers %.3f (%.1f cores), receiving workers %.3f (%.1f cores), disks %.3f and %.3f, files %.3f\n",
		r.Wire, r.Sending, r.SendCPU, r.Writing, r.RecvCPU, r.Source, r.Target, r.Locks)
}

// giga is a rate in GB/s with three digits.
func giga(rate float64) string {
	v := rate / 1e9
	switch {
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
