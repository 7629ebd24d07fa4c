package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// What --progress takes.
const (
	progressOne  = "line"
	progressAll  = "full"
	progressNone = "none"
)

// progressFlag declares --progress.
func (o *options) progressFlag(f *pflag.FlagSet) {
	f.Var((*progressValue)(&o.progress), "progress", "on a terminal show `HOW` much of how far it is: line; full, which is --progress alone: below it what each rail and each stream does; none")
	f.Lookup("progress").NoOptDefVal = progressAll
	f.Lookup("progress").DefValue = progressOne
}

// costly are the flags that cost time at the receiver.
func (o *options) costly() (list []string) {
	for _, f := range []struct {
		on   bool
		name string
	}{{o.fsync, "--fsync"}, {o.verify, "--verify"}, {o.checksum, "--checksum"}} {
		if f.on {
			list = append(list, f.name)
		}
	}
	return list
}

// progressValue is what --progress takes; "" is a line.
type progressValue string

// String implements pflag.Value.
func (v *progressValue) String() string { return string(*v) }

// Type implements pflag.Value.
func (*progressValue) Type() string { return "HOW" }

// Set implements pflag.Value.
func (v *progressValue) Set(s string) error {
	known := []string{progressOne, progressAll, progressNone}
	if !slices.Contains(known, s) {
		return usagef("--progress=%s: it takes %s", quote(s), strings.Join(known, ", "))
	}
	*v = progressValue(s)
	return nil
}
