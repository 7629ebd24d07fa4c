package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxFile bounds a file, bytes: some thousand hosts.
const MaxFile = 256 << 10

// ErrBad: a file says something that makes no sense.
var ErrBad = errors.New("configuration")

// Takes is what a key takes.
type Takes uint8

// The kinds of values.
const (
	Text   Takes = iota // any scalar but true, false and null
	Bool                // true or false
	Number              // a whole number
	List                // one text, or a list of them
)

// Key is what is known of one key.
type Key struct {
	Takes  Takes
	Never  string // why it is not set in a file; "": it may be
	Word   string // instead of Takes, for an error: what it takes
	Client bool   // it may stand below client: and for a host,
	Server bool   // below server:,
	Host   bool   // for a host and nowhere else
}

// Schema says what may stand in a file.
type Schema struct {
	Keys   map[string]Key
	Secret string // how the text of a secret begins, which no file may have; "": there is none
}

// Value is what a file says under a key.
type Value struct {
	Name  string
	Texts []string // one, but for a list
	List  bool     // it was written as one
	Line  int      // of the key
}

// Host is an alias of a host.
type Host struct {
	Name   string
	Line   int
	Values []Value
}

// File is what a file says, in its order.
type File struct {
	Path           string
	Client, Server []Value
	Hosts          []Host
}

// Host finds what the file says of a host; false: nothing.
func (f *File) Host(name string) (Host, bool) {
	for _, h := range f.Hosts {
		if h.Name == name {
			return h, true
		}
	}
	return Host{}, false
}

// Parse reads a file's text. Errors Are ErrBad and name path and line.
func Parse(path string, text []byte, s Schema) (*File, error) {
	p := parser{path: path, schema: s, file: &File{Path: path}}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("%s: more than %d bytes: %w", path, MaxFile, ErrBad)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	err := d.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF): // nothing, or comments
		return p.file, nil
	case err != nil:
		return nil, p.syntax(err)
	}
	var more yaml.Node
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, p.fault(max(more.Line, doc.Line), "a second document begins: a file has one")
	}
	if err := p.top(doc.Content[0]); err != nil {
		return nil, err
	}
	return p.file, nil
}

// parser goes through one file.
type parser struct {
	path   string
	schema Schema
	file   *File
}

var lineOf = regexp.MustCompile(`^yaml: line (\d+): `)

// syntax is an error of the library, with the line where ours have it.
func (p *parser) syntax(err error) error {
	text := err.Error()
	if m := lineOf.FindStringSubmatch(text); m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil {
			return p.fault(line, "not YAML: %s", text[len(m[0]):])
		}
	}
	return fmt.Errorf("%s: not YAML: %s: %w", p.path, strings.TrimPrefix(text, "yaml: "), ErrBad)
}

// fault is an error of this file.
func (p *parser) fault(line int, format string, args ...any) error {
	return &fault{fmt.Sprintf("%s:%d: %s", p.path, line, fmt.Sprintf(format, args...))}
}

// fault says where it is and what is wrong, and no more.
type fault struct{ text string }

// Error implements error.
func (f *fault) Error() string { return f.text }

// Is makes it an ErrBad.
func (*fault) Is(target error) bool { return target == ErrBad }

// top reads the sections.
func (p *parser) top(n *yaml.Node) error {
	return p.each(n, "a file has the sections client, server and hosts", func(key, value *yaml.Node) (err error) {
		switch key.Value {
		case "client":
			p.file.Client, err = p.section(key.Value, value)
		case "server":
			p.file.Server, err = p.section(key.Value, value)
		case "hosts":
			err = p.hosts(value)
		default:
			if k, ok := p.schema.Keys[key.Value]; ok {
				return p.fault(key.Line, "%s does not stand by itself: write it below %s", show(key.Value), k.where())
			}
			return p.fault(key.Line, "%s is not known%s", show(key.Value), meant(key.Value, []string{"client", "server", "hosts"}))
		}
		return err
	})
}

// where are the sections that a key may stand in.
func (k Key) where() string {
	switch {
	case k.Server && k.Host:
		return "server:, or in a host of hosts:"
	case k.Host:
		return "a host of hosts:"
	case k.Client && k.Server:
		return "client: or server:"
	case k.Server:
		return "server:"
	}
	return "client:"
}

// hosts reads the aliases.
func (p *parser) hosts(n *yaml.Node) error {
	return p.each(n, "hosts has a name and its settings on each line, as in gpu7: {address: 10.0.0.7}", func(key, value *yaml.Node) error {
		if key.Value == "" || strings.ContainsAny(key.Value, ":/@[] \t\n") || strings.HasPrefix(key.Value, "-") {
			return p.fault(key.Line, "%s can't be the name of a host: it would not be one in HOST:PATH", show(key.Value))
		}
		values, err := p.section("hosts", value)
		p.file.Hosts = append(p.file.Hosts, Host{Name: key.Value, Line: key.Line, Values: values})
		return err
	})
}

// section reads keys with their values.
func (p *parser) section(name string, n *yaml.Node) (list []Value, err error) {
	err = p.each(n, name+" has keys and values, as in "+example(name), func(key, value *yaml.Node) error {
		k, err := p.known(name, key)
		if err != nil {
			return err
		}
		v, err := p.value(k, key, value)
		list = append(list, v)
		return err
	})
	return list, err
}

func example(section string) string {
	switch section {
	case "server":
		return "output: /srv/incoming"
	case "hosts":
		return "gpu7: {address: 10.0.0.7, port: 1888}"
	}
	return "streams: 8"
}

// known finds a key, or says which was meant.
func (p *parser) known(section string, key *yaml.Node) (Key, error) {
	k, ok := p.schema.Keys[key.Value]
	allowed := func(k Key) bool {
		switch section {
		case "server":
			return k.Server
		case "hosts":
			return k.Client || k.Host
		}
		return k.Client
	}
	switch {
	case !ok:
		var names []string
		for _, name := range slices.Sorted(maps.Keys(p.schema.Keys)) {
			if allowed(p.schema.Keys[name]) && p.schema.Keys[name].Never == "" {
				names = append(names, name)
			}
		}
		return k, p.fault(key.Line, "%s is not known below %s%s", show(key.Value), section, meant(key.Value, names))
	case k.Never != "":
		return k, p.fault(key.Line, "%s is not set in a file: %s", key.Value, k.Never)
	case !allowed(k):
		return k, p.fault(key.Line, "%s stands below %s, not below %s", key.Value, k.where(), section)
	}
	return k, nil
}

// each goes through a mapping, whose keys are texts that stand there once.
func (p *parser) each(n *yaml.Node, shape string, do func(key, value *yaml.Node) error) error {
	if err := p.plain(n); err != nil {
		return err
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil // a heading with nothing below it
	}
	if n.Kind != yaml.MappingNode {
		return p.fault(n.Line, "%s", shape)
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if err := errors.Join(p.plain(key), p.plain(value)); err != nil {
			return first(err)
		}
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			return p.fault(key.Line, "a key is a word here")
		}
		if line, twice := seen[key.Value]; twice {
			return p.fault(key.Line, "%s stands there twice, first on line %d", show(key.Value), line)
		}
		seen[key.Value] = key.Line
		if err := do(key, value); err != nil {
			return err
		}
	}
	return nil
}

// first is the first of joined errors.
func first(err error) error {
	if m, ok := err.(interface{ Unwrap() []error }); ok {
		return m.Unwrap()[0]
	}
	return err
}

// plain refuses what stands for something else, and secrets.
func (p *parser) plain(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return p.fault(n.Line, "anchors (&) and aliases (*) are not taken")
	case p.schema.Secret != "" && strings.Contains(n.Value, p.schema.Secret):
		return p.fault(n.Line, "this is a key itself: leave it in a file of its own, mode 0600, and name that with key-file (and make a new key if others could read this)")
	}
	return nil
}
