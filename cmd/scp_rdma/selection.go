package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"scp_rdma/filter"
	"scp_rdma/localfs"
)

// selection is what of the sources is sent.
type selection struct {
	rules filter.Rules
	from  string // --files-from
	zero  bool   // its names end with NUL
	oneFS bool
}

// maxList bounds a list of files, bytes: it is held in memory.
const maxList = 1 << 30

// exclude is the rules, for a source; nil: there are none.
func (s *selection) exclude() func(path string, dir bool) bool {
	if len(s.rules.Lines()) == 0 {
		return nil
	}
	return s.rules.Excluded
}

// only reads what --files-from names, for the one source of a job, whose contents they are.
func (s *selection) only(e env, sources []string) (*localfs.Only, []string, error) {
	switch {
	case s.from == "":
		return nil, sources, nil
	case len(sources) != 1:
		return nil, nil, usagef("--files-from lists what is in one directory: name that one and no other")
	}
	text, err := s.read(e)
	if err != nil {
		return nil, nil, fmt.Errorf("--files-from: %w", err)
	}
	var list []string
	if s.zero {
		list = slices.DeleteFunc(strings.Split(text, "\x00"), func(p string) bool { return p == "" })
	} else {
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, "\r\n"); line != "" && line[0] != '#' && line[0] != ';' {
				list = append(list, line)
			}
		}
	}
	if len(list) == 0 {
		return nil, nil, usagef("--files-from %s: it lists nothing", quote(s.from))
	}
	only, err := localfs.NewOnly(list)
	return only, []string{strings.TrimSuffix(sources[0], "/") + "/."}, err
}

func (s *selection) read(e env) (string, error) {
	var in io.Reader = e.stdin
	if s.from != "-" {
		f, err := os.Open(s.from)
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }() // only read from
		in = f
	}
	if in == nil {
		return "", errors.New("there is no stdin")
	}
	b, err := io.ReadAll(io.LimitReader(in, maxList+1))
	if err == nil && len(b) > maxList {
		err = errors.New("more than 1 GiB of names")
	}
	return string(b), err
}

// ruleValue is --include, --exclude and --filter-from: their order counts.
type ruleValue struct {
	add  func(string) error
	kind string
}

// String implements pflag.Value.
func (ruleValue) String() string { return "" }

// Type implements pflag.Value.
func (v ruleValue) Type() string { return v.kind }

// Set implements pflag.Value.
func (v ruleValue) Set(text string) error {
	if err := v.add(text); err != nil {
		return usagef("%s: %v", quote(text), err)
	}
	return nil
}

// readRules adds the rules in a file.
func (s *selection) readRules(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return s.rules.Parse(string(text))
}
