package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"scp_rdma/config"
)

// origin is where a setting comes from: a line of a file.
type origin struct {
	Path string
	Line int
}

// String is the origin as people look it up.
func (o origin) String() string { return fmt.Sprintf("%s:%d", o.Path, o.Line) }

// inForce is what the files of settings came to, in one run.
type inForce struct {
	typed map[string]bool   // flags of the command line
	from  map[string]origin // flags that a file has set
	rules []origin          // of the last rules; those before are of the command line
	alias alias             // the host that this run goes to; without a name: it is none of the files'
	texts []configText
}

// alias is a host that a file gives a name.
type alias struct{ name, address, user string }

// aliasOf reads what a file says of where a host is.
func aliasOf(path string, h config.Host) (alias, error) {
	a := alias{name: h.Name}
	for _, v := range h.Values {
		text := v.Texts[0]
		switch v.Name {
		case "address":
			a.address = unbracket(text)
			if r := (remote{host: a.address}); strings.ContainsAny(a.address, "/@ ") || r.check(text) != nil {
				return a, usagef("%s:%d: address %s: it takes the name or the address of a host", path, v.Line, quote(text))
			}
		case "user":
			a.user = text
			if r := (remote{host: "h", user: text}); text == "" || strings.ContainsAny(text, "/@: ") || r.check(text) != nil {
				return a, usagef("%s:%d: user %s: it takes the name of a user", path, v.Line, quote(text))
			}
		}
	}
	for _, v := range h.Values {
		if v.Name == "ssh" && v.Texts[0] == "false" && a.user != "" {
			return a, usagef("%s:%d: ssh: a user is for ssh alone: leave out one of them", path, v.Line)
		}
	}
	return a, nil
}

// layer is a part of a file that holds for this run.
type layer struct {
	path   string
	values []config.Value
	host   bool
}

// layersOf are the parts of the files that hold, those that win first: a host's before all
// others', a user's file before the system's.
func layersOf(files []*config.File, server bool, host string) (list []layer) {
	for _, f := range files {
		if h, ok := f.Host(host); ok && !server {
			list = append(list, layer{f.Path, h.Values, true})
		}
	}
	for _, f := range files {
		if server {
			list = append(list, layer{f.Path, f.Server, false})
		} else {
			list = append(list, layer{f.Path, f.Client, false})
		}
	}
	return list
}

// configure has the files say what the command line leaves open. host is the one that the run
// goes to, "" for none. What a file sets does not count as Changed.
func (o *options) configure(f *pflag.FlagSet, texts []configText, server bool, host string) error {
	o.typed, o.from, o.texts = map[string]bool{}, map[string]origin{}, texts
	f.Visit(func(fl *pflag.Flag) { o.typed[fl.Name] = true })
	o.portGiven = o.typed["port"]
	files, err := parseConfig(texts)
	if err != nil {
		return err
	}
	only := o.takesOnly()
	for _, l := range layersOf(files, server, host) {
		before := maps.Clone(o.from)
		for _, v := range l.values {
			if only != nil && !slices.Contains(only, v.Name) {
				continue
			}
			if err := o.take(f, l, v, before); err != nil {
				return err
			}
		}
	}
	if server {
		return nil
	}
	return o.goesTo(files, host)
}

// takesOnly are the settings that a deed takes which is no transfer and no server; nil: all.
func (o *options) takesOnly() []string {
	switch {
	case o.keygen:
		return []string{"key-file", "quiet", "log-format"}
	case o.clean:
		return []string{"output", "quiet", "log-format"}
	case o.quota.show:
		return []string{"authorized", "user", "state-dir", "quiet", "log-format"}
	}
	return nil
}

// take lets one value of a file hold, unless a flag or a file before has said something else.
func (o *options) take(f *pflag.FlagSet, l layer, v config.Value, before map[string]origin) error {
	if l.host && (v.Name == "address" || v.Name == "user") {
		return nil // goesTo
	}
	fl := f.Lookup(v.Name)
	at := origin{l.path, v.Line}
	if isRule(fl.Value) {
		n := len(o.selection.rules.Lines())
		err := assign(l.path, fl, v)
		for range len(o.selection.rules.Lines()) - n {
			o.rules = append(o.rules, at)
		}
		return err
	}
	if _, set := before[v.Name]; set || o.typed[v.Name] || o.displaced(v.Name, before) {
		return nil
	}
	o.from[v.Name] = at
	o.portGiven = o.portGiven || l.host && v.Name == "port"
	return assign(l.path, fl, v)
}

// exclusive are flags that go with each other in no run, so that the one that comes first
// leaves no room for the other.
func exclusive() [][2]string {
	return [][2]string{
		{"quiet", "verbose"}, {"streams", "streams-per-rail"}, {"checksum", "ignore-times"}, {"no-auth", "key-file"}, {"no-auth", "authorized"},
		{"authorized", "key-file"}, {"encrypt", "no-encrypt"}, {"ipv4", "ipv6"},
	}
}

// displaced says whether a setting has no room beside one that goes before it.
func (o *options) displaced(name string, before map[string]origin) bool {
	for _, pair := range exclusive() {
		for i, own := range pair {
			other := pair[1-i]
			if _, set := before[other]; own == name && (o.typed[other] || set) {
				return true
			}
		}
	}
	return false
}

// goesTo notes where the host of this run is. Who has a user there goes over ssh.
func (o *options) goesTo(files []*config.File, host string) error {
	for _, f := range files {
		h, ok := f.Host(host)
		if !ok {
			continue
		}
		o.alias.name = host
		a, err := aliasOf(f.Path, h)
		if err != nil {
			return err
		}
		if o.alias.address == "" {
			o.alias.address = a.address
		}
		if o.alias.user == "" {
			o.alias.user = a.user
		}
	}
	if o.alias.address == "" {
		o.alias.address = host
	}
	if o.alias.user != "" {
		o.ssh = true
	}
	return nil
}

// meant is a host as it is reached, where a file gives it a name.
func (a alias) meant(r remote) remote {
	if a.name == "" || r.host != a.name {
		return r
	}
	r.host = a.address
	if r.user == "" {
		r.user = a.user
	}
	return r
}

// called is a host as people know it.
func (a alias) called(host string) string {
	if a.name != "" && host == a.address {
		return a.name
	}
	return host
}

// meantIn is a job at the hosts as they are reached.
func (a alias) meantIn(j job) job {
	j.to = a.meant(j.to)
	j.from = slices.Clone(j.from)
	for i := range j.from {
		j.from[i] = a.meant(j.from[i])
	}
	return j
}

// farOf is the host that the arguments of a client name; "" for none.
func (o *options) farOf(args []string) string {
	if (o.devices || o.bench || o.showConfig) && len(args) > 0 {
		_, host, _ := splitUser(strings.TrimSuffix(args[0], ":"))
		return unbracket(host)
	}
	for _, a := range args {
		if r, ok, err := parseRemote(a); ok && err == nil {
			return r.host
		}
	}
	return ""
}

// serves says whether the settings of a server hold.
func (o *options) serves() bool { return o.server || o.clean || o.quota.show }

// reads says whether files of settings matter at all.
func (o *options) reads() bool { return !o.version && !o.servesSSH && !o.pages.wanted() }

// blame adds to a mistake in the flags which of those it names stand in a file.
func (o *options) blame(err error, f *pflag.FlagSet) error {
	if err == nil {
		return nil
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(o.from)) {
		word := regexp.QuoteMeta("--" + name)
		if s := f.Lookup(name).Shorthand; s != "" {
			word += "|-" + s
		}
		if regexp.MustCompile(`(^|[ (])(` + word + `)([ ,:)]|$)`).MatchString(err.Error()) {
			list = append(list, "--"+name+" is from "+o.from[name].String())
		}
	}
	if len(list) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, quote(strings.Join(list, ", ")))
}

// prepare has the files of settings and the flags come to what holds in this run.
func (o *options) prepare(e env, f *pflag.FlagSet, args []string) error {
	if o.reads() {
		texts, err := o.settingsOf(e)
		if err != nil {
			return err
		}
		if err := o.configure(f, texts, o.serves(), o.farOf(args)); err != nil {
			return err
		}
	}
	return o.blame(o.check(f), f)
}

// settingsOf are the files of settings, or what an heir was left of them.
func (o *options) settingsOf(e env) ([]configText, error) {
	if e.heir != nil {
		return e.heir.Config, nil
	}
	return o.readConfig(e)
}
