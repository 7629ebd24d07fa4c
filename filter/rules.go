package filter

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRule: a rule that makes no sense.
var ErrRule = errors.New("not a filter rule")

// Rules are tried in their order. The zero value includes everything.
type Rules struct {
	list []rule
	text []string
}

type rule struct {
	include bool
	pattern pattern
}

// Include adds a rule that includes what the pattern matches.
func (r *Rules) Include(text string) error { return r.add(true, text) }

// Exclude adds a rule that leaves out what the pattern matches.
func (r *Rules) Exclude(text string) error { return r.add(false, text) }

func (r *Rules) add(include bool, text string) error {
	p, err := compile(text)
	if err != nil {
		return err
	}
	r.list = append(r.list, rule{include, p})
	sign := "- "
	if include {
		sign = "+ "
	}
	r.text = append(r.text, sign+text)
	return nil
}

// Parse adds the rules of a text, a line each: "+ PATTERN" and "include PATTERN" include,
// "- PATTERN" and "exclude PATTERN" leave out, and "!" or "clear" forgets all rules before
// it. Empty lines mean nothing, nor do those that begin with # or ;.
func (r *Rules) Parse(text string) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := r.parseLine(strings.TrimRight(line, "\r\n")); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

func (r *Rules) parseLine(line string) error {
	line = strings.TrimLeft(line, " \t")
	if line == "" || line[0] == '#' || line[0] == ';' {
		return nil
	}
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "+", "include":
		return r.Include(rest)
	case "-", "exclude":
		return r.Exclude(rest)
	case "!", "clear":
		*r = Rules{}
		return nil
	}
	return fmt.Errorf("%q: a rule begins with \"+ \" or \"- \": %w", line, ErrRule)
}

// Lines are the rules as Parse reads them.
func (r *Rules) Lines() []string { return r.text }

// Excluded says whether an entry is left out. Its path is relative to the root of the
// transfer, without a slash before and after.
func (r *Rules) Excluded(path string, dir bool) bool {
	for i := range r.list {
		if rule := &r.list[i]; rule.pattern.matches(path, dir) {
			return !rule.include
		}
	}
	return false
}
