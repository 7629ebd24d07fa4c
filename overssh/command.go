package overssh

import (
	"errors"
	"strings"
)

// ErrHost: a host that ssh would not take for one.
var ErrHost = errors.New("not a host for ssh")

// Words splits a command as people write it for -e: at spaces, except between quotes,
// which can't be nested.
func Words(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, in := rune(0), false
	for _, c := range command {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t':
			if in {
				words, in = append(words, word.String()), false
				word.Reset()
			}
		default:
			word.WriteRune(c)
			in = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote that does not end")
	}
	if in {
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("no command")
	}
	return words, nil
}

// plain are bytes that no shell takes for something else.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%"

// quoteShell is a word as any shell of Unix gives it back.
func quoteShell(s string) string {
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// arguments is the command line of ssh. host is [user@]host.
func arguments(command []string, host, program string) ([]string, error) {
	user, name, found := strings.Cut(host, "@")
	if !found {
		user, name = "x", host
	}
	if user == "" || name == "" || strings.HasPrefix(host, "-") || strings.HasPrefix(name, "-") ||
		strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, ErrHost
	}
	line := append([]string(nil), command...)
	return append(line, "--", host, quoteShell(program)+" --over-ssh"), nil
}
