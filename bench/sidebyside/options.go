package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// options is what the command line says.
type options struct {
	cases   []string
	rivals  []string
	rounds  int
	scale   float64
	work    string
	disk    string
	bin     string
	out     string
	render  string
	musts   []string
	limits  []limit // musts, understood
	timeout time.Duration
}

// parseOptions reads the command line; nil, nil means that help was shown.
func parseOptions(args []string, stdout io.Writer) (*options, error) {
	o := &options{}
	ran := false
	cmd := &cobra.Command{
		Use:           "sidebyside",
		Short:         "sidebyside measures scp_rdma beside what else copies files, and verifies each copy",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			ran = true
			return o.check()
		},
	}
	o.flags(cmd)
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	if err := cmd.Execute(); err != nil || !ran {
		return nil, err
	}
	return o, nil
}

// flags declares the flags.
func (o *options) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&o.cases, "case", nil, "only these: large, small, toolchain, models, disk")
	f.StringSliceVar(&o.rivals, "rival", nil, "only these, as the table names them")
	f.IntVar(&o.rounds, "rounds", 7, "rounds that count, after one that doesn't")
	f.Float64Var(&o.scale, "scale", 1, "make each source this many times as large")
	f.StringVar(&o.work, "work", defaultWork(), "sources and targets lie here")
	f.StringVar(&o.disk, "disk", ".", "those of the case disk lie here, on a disk")
	f.StringVar(&o.bin, "bin", "", "the scp_rdma to measure (none: built)")
	f.StringVar(&o.out, "out", "bench/results", "write results here (\"\": nowhere)")
	f.StringVar(&o.render, "render", "", "only make the page of this file of JSON lines again")
	f.StringSliceVar(&o.musts, "must", nil, "fail if scp_rdma takes more than so many times as\n"+
		"long as a rival, such as large/cp:0.9; or another of\n"+
		"them: large/scp_rdma-fetch/scp_rdma:1.1")
	f.DurationVar(&o.timeout, "timeout", 10*time.Minute, "give a single transfer up after this")
}

// defaultWork is a file system in memory where there is one.
func defaultWork() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

// check refuses what makes no sense, and understands the limits.
func (o *options) check() error {
	if o.rounds < 1 || !(o.scale > 0) || o.timeout <= 0 {
		return errors.New("--rounds, --scale and --timeout must be greater than 0")
	}
	var cases, names []string
	for _, w := range workloads() {
		cases = append(cases, w.name)
	}
	for _, r := range rivals("") {
		names = append(names, r.name)
	}
	for _, text := range o.musts {
		l, err := parseLimit(text)
		if err != nil {
			return err
		}
		o.limits = append(o.limits, l)
		if err := errors.Join(among("--must", l.workload, cases), among("--must", l.who, names), among("--must", l.rival, names)); err != nil {
			return err
		}
	}
	for _, c := range o.cases {
		if err := among("--case", c, cases); err != nil {
			return err
		}
	}
	for _, r := range o.rivals {
		if err := among("--rival", r, names); err != nil {
			return err
		}
	}
	return nil
}

// among refuses a name that is not one of those known.
func among(flag, name string, known []string) error {
	if !slices.Contains(known, name) {
		return fmt.Errorf("%s %s is not one of %v", flag, name, known)
	}
	return nil
}

// wanted says whether a name was chosen: all are if none was.
func wanted(chosen []string, name string) bool {
	return len(chosen) == 0 || slices.Contains(chosen, name)
}
