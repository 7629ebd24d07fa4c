package filter

import (
	"fmt"
	"regexp"
	"strings"
)

// pattern is one, ready to match.
type pattern struct {
	dir   bool           // only directories
	base  bool           // only the last component counts
	root  bool           // literal: only equal
	text  string         // literal: equal to it, or ending in it after a slash; without expr
	expr  *regexp.Regexp // over latin-1: each byte a rune
	above bool           // paths begin with a slash: what begins with ** may mean the root, too
	below bool           // those of directories end with one: what ends with *** means what is in them, too
}

const wild = "*?["

// compile makes a pattern.
func compile(text string) (pattern, error) {
	var p pattern
	body, dir := strings.CutSuffix(text, "/")
	body, root := strings.CutPrefix(body, "/")
	if body == "" {
		return p, fmt.Errorf("%q: it names nothing: %w", text, ErrRule)
	}
	p.dir, p.root = dir, root
	p.base = !root && !strings.Contains(body, "/") && !strings.Contains(body, "**")
	if !strings.ContainsAny(body, wild) {
		p.text = body
		return p, nil
	}
	expr, err := translate(body)
	if err != nil {
		return p, fmt.Errorf("%s: %w", text, err)
	}
	p.above = !root && strings.HasPrefix(body, "**")
	p.below = strings.HasSuffix(body, "***")
	if !root && !p.base && !p.above {
		expr = "(?:.*/)?" + expr
	}
	p.expr, err = regexp.Compile("(?s)^" + expr + "$")
	if err != nil {
		return p, fmt.Errorf("%s: %w: %w", text, ErrRule, err)
	}
	return p, nil
}

// matches says whether a path, relative to the root of the transfer, is what the pattern means.
func (p *pattern) matches(path string, dir bool) bool {
	if p.dir && !dir {
		return false
	}
	if p.base {
		path = path[strings.LastIndexByte(path, '/')+1:]
	}
	if p.expr == nil {
		return path == p.text || !p.root && !p.base && strings.HasSuffix(path, "/"+p.text)
	}
	if p.above {
		path = "/" + path
	}
	if p.below && dir {
		path += "/"
	}
	return p.expr.MatchString(latin(path))
}

// latin has each byte as a rune: names of files are bytes, and regexp knows only runes.
func latin(s string) string {
	ascii := true
	for i := 0; i < len(s) && ascii; i++ {
		ascii = s[i] < 0x80
	}
	if ascii {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// translate is a pattern as a regular expression, whose time is linear whatever it is.
func translate(p string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(p); {
		switch c := p[i]; c {
		case '*':
			n := 1
			for i+n < len(p) && p[i+n] == '*' {
				n++
			}
			if n > 1 {
				b.WriteString(".*")
			} else {
				b.WriteString("[^/]*")
			}
			i += n
		case '?':
			b.WriteString("[^/]")
			i++
		case '[':
			class, n, err := parseClass(p[i:])
			if err != nil {
				return "", err
			}
			b.WriteString(class)
			i += n
		case '\\':
			if i+1 < len(p) {
				i++
			}
			literal(&b, p[i])
			i++
		default:
			literal(&b, c)
			i++
		}
	}
	return b.String(), nil
}

func literal(b *strings.Builder, c byte) { b.WriteString(regexp.QuoteMeta(string(rune(c)))) }

// classes are the sets that have names.
func classes() map[string]func(c byte) bool {
	in := func(from, to byte) func(byte) bool { return func(c byte) bool { return c >= from && c <= to } }
	digit, lower, upper := in('0', '9'), in('a', 'z'), in('A', 'Z')
	alpha := func(c byte) bool { return lower(c) || upper(c) }
	alnum := func(c byte) bool { return alpha(c) || digit(c) }
	graph := in('!', '~')
	return map[string]func(byte) bool{
		"digit": digit, "lower": lower, "upper": upper, "alpha": alpha, "alnum": alnum, "graph": graph,
		"print":  func(c byte) bool { return c == ' ' || graph(c) },
		"punct":  func(c byte) bool { return graph(c) && !alnum(c) },
		"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
		"space":  func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' },
		"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
		"xdigit": func(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' },
	}
}

// parseClass reads what begins with a bracket, and gives a class of regexp and its length.
func parseClass(p string) (expr string, n int, err error) {
	var set [256]bool
	i := 1
	not := i < len(p) && (p[i] == '!' || p[i] == '^')
	if not {
		i++
	}
	for first := true; ; first = false {
		switch {
		case i >= len(p):
			return "", 0, fmt.Errorf("a [ without its ]: %w", ErrRule)
		case p[i] == ']' && !first:
			return classOf(&set, not), i + 1, nil
		case strings.HasPrefix(p[i:], "[:"):
			name, _, ok := strings.Cut(p[i+2:], ":]")
			has := classes()[name]
			if !ok || has == nil {
				return "", 0, fmt.Errorf("no class %q: %w", name, ErrRule)
			}
			for c := range set {
				set[c] = set[c] || has(byte(c))
			}
			i += len(name) + len("[::]")
			continue
		}
		from := p[i]
		if from == '\\' && i+1 < len(p) {
			i++
			from = p[i]
		}
		i++
		to := from
		if i+1 < len(p) && p[i] == '-' && p[i+1] != ']' {
			i++
			if to = p[i]; to == '\\' && i+1 < len(p) {
				i++
				to = p[i]
			}
			i++
		}
		for c := int(from); c <= int(to); c++ {
			set[c] = true
		}
	}
}

// classOf writes a set of bytes, less the slash.
func classOf(set *[256]bool, not bool) string {
	var b strings.Builder
	b.WriteString("[")
	empty := true
	for c, in := range set {
		if in != not && c != '/' {
			fmt.Fprintf(&b, `\x{%x}`, c)
			empty = false
		}
	}
	if empty {
		return `[^\x{0}-\x{10FFFF}]`
	}
	return b.String() + "]"
}
