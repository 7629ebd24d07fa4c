package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"scp_rdma/internal/tree"
)

// session is one start of the program: what all cases share.
type session struct {
	o      *options
	stdout io.Writer
	lines  *os.File // nil: nothing is written
	facts  facts
	runs   []result
}

// measureAll measures what was asked for and shows it.
func measureAll(ctx context.Context, o *options, stdout io.Writer) (err error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sidebyside-bin-*")
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	defer func() { err = errors.Join(err, tree.Remove(dir)) }()
	bin := o.bin
	if bin == "" {
		bin, err = build(ctx, root, dir)
	} else {
		bin, err = filepath.Abs(bin)
	}
	if err != nil {
		return fmt.Errorf("scp_rdma: %w", err)
	}
	s := &session{o: o, stdout: stdout, facts: machineFacts(ctx, o, root)}
	who := s.choose(ctx, rivals(bin))
	if err := s.open(); err != nil {
		return err
	}
	showFacts(stdout, s.facts)
	errs := []error{s.cases(ctx, who), s.close()}
	all := summarise(s.facts, s.runs)
	for _, sum := range all {
		if sum.Own && sum.Error != "" {
			errs = append(errs, fmt.Errorf("%s: %s: %s", sum.Case, sum.Rival, sum.Error))
		}
	}
	return errors.Join(append(errs, checkLimits(o.limits, all))...)
}

// choose picks the rivals that are wanted and there, and notes them all.
func (s *session) choose(ctx context.Context, all []rival) []rival {
	var who []rival
	for _, r := range all {
		if !wanted(s.o.rivals, r.name) {
			continue
		}
		if pkgs := r.missing(); len(pkgs) > 0 {
			s.facts.Missing = append(s.facts.Missing, r.name+" (Debian: "+strings.Join(pkgs, " ")+")")
			continue
		}
		version, err := output(ctx, "", r.version...)
		if err != nil {
			version = err.Error()
		}
		version, _, _ = strings.Cut(version, "\n")
		s.facts.Rivals = append(s.facts.Rivals, rivalFacts{Name: r.name, Checks: r.checks, Version: version, Own: r.own})
		who = append(who, r)
	}
	return who
}

// open makes the file of results, if one is wanted.
func (s *session) open() error {
	if s.o.out == "" {
		return nil
	}
	if err := os.MkdirAll(s.o.out, 0o755); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	name := filepath.Join(s.o.out, "sidebyside-"+time.Now().UTC().Format("2006-01-02T150405")+".jsonl")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	s.lines = f
	return writeLine(f, s.facts)
}

// close ends the file of results, and makes the page of it.
func (s *session) close() error {
	if s.lines == nil {
		return nil
	}
	if err := s.lines.Close(); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	fmt.Fprintf(s.stdout, "\n%s\n", s.lines.Name())
	return renderAgain(s.lines.Name(), s.stdout)
}

// take notes a run.
func (s *session) take(r result) error {
	s.runs = append(s.runs, r)
	if !r.OK {
		fmt.Fprintf(s.stdout, "%s, round %d: %s failed: %s\n", r.Case, r.Round, r.Rival, r.Error)
	}
	if s.lines == nil {
		return nil
	}
	return writeLine(s.lines, r)
}

// cases measures them one by one and shows a table after each. A case that
// can't be measured does not keep the others from it.
func (s *session) cases(ctx context.Context, who []rival) error {
	var errs []error
	for _, w := range workloads() {
		if !wanted(s.o.cases, w.name) || ctx.Err() != nil {
			continue
		}
		if err := runCase(ctx, w, s.o, who, s.take); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", w.name, err))
			fmt.Fprintf(s.stdout, "\n%s: %v\n", w.name, err)
		}
		showTable(s.stdout, w.name, summarise(s.facts, s.runs))
	}
	if len(errs) == 0 {
		return ctx.Err()
	}
	return errors.Join(errs...)
}
