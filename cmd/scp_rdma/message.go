package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"scp_rdma/transport"
)

// errorLines is what to print of an error: a line for each of those that were
// joined on top, and what was joined deeper inside on its line.
func errorLines(err error) []string {
	list := joined(err)
	if len(list) == 0 {
		return []string{errorLine(err)}
	}
	var lines []string
	for _, e := range list {
		for _, l := range errorLines(e) {
			lines = appendNew(lines, l)
		}
	}
	return lines
}

// appendNew appends a text unless one that has it is there: a sentinel that is
// joined for errors.Is isn't said a second time.
func appendNew(list []string, text string) []string {
	if slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, text) }) {
		return list
	}
	return append(list, text)
}

// errorLine is an error in one line.
func errorLine(err error) string { return quote(flatten(err)) }

// reason is why a transport isn't used: an errorLine, without saying once more
// that it is unavailable.
func reason(err error) string {
	return strings.TrimSuffix(errorLine(err), ": "+transport.ErrUnavailable.Error())
}

// flatten is an error's text with what errors.Join put on several lines on one.
// Newlines of other origin, such as in the name of a file, stay for quote.
func flatten(err error) string {
	text := err.Error()
	for _, e := range inner(err) {
		if was, is := e.Error(), flatten(e); was != is {
			text = strings.Replace(text, was, is, 1)
		}
	}
	list := joined(err)
	if len(list) == 0 {
		return text
	}
	var parts []string
	for _, e := range list {
		parts = appendNew(parts, flatten(e))
	}
	return strings.Join(parts, "; ")
}

// inner lists what an error wraps.
func inner(err error) []error {
	if m, ok := err.(interface{ Unwrap() []error }); ok {
		return m.Unwrap()
	}
	if e := errors.Unwrap(err); e != nil {
		return []error{e}
	}
	return nil
}

// joined lists the errors of an errors.Join, none for any other error.
func joined(err error) []error {
	m, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var texts []string
	for _, e := range m.Unwrap() {
		texts = append(texts, e.Error())
	}
	if err.Error() != strings.Join(texts, "\n") {
		return nil
	}
	return m.Unwrap()
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// size is a number of bytes as people read it (IEC 80000-13).
func size(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v /= 1024; v < 1023.95 { // what rounds up to 1024.0 is 1.0 of the next
			return fmt.Sprintf("%.1f %s", v, unit)
		}
	}
	return fmt.Sprintf("%.1f PiB", v/1024)
}
