package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
)

// configReport is what scp_rdma config tells, for programs.
type configReport struct {
	Files  []shownFile    `json:"files"`
	Host   *shownHost     `json:"host,omitempty"`
	Client []shownSetting `json:"client,omitempty"`
	Server []shownSetting `json:"server,omitempty"`
	Hosts  []shownHost    `json:"hosts"`
}

// shownFile is a file of settings.
type shownFile struct {
	Path  string `json:"path"`
	Kind  string `json:"kind"` // user, system, file
	There bool   `json:"there"`
}

// shownHost is a host that has a name in a file.
type shownHost struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	User    string `json:"user,omitempty"`
	SSH     bool   `json:"ssh,omitempty"`
	Line    int    `json:"line,omitempty"`
	File    string `json:"file,omitempty"`
}

// shownSetting is what holds for one flag.
type shownSetting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // flag, user, system, file, default
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
}

// showConfig tells what is in force and where it comes from.
func showConfig(e env, o *options, args []string) error {
	all := configReport{Files: []shownFile{}, Hosts: []shownHost{}}
	for _, c := range o.texts {
		all.Files = append(all.Files, shownFile{c.Path, c.Kind, !c.Missing})
	}
	host := ""
	switch {
	case len(args) == 1 && o.server:
		return usagef("%s: a server goes to no host: leave out -s or the host", quote(args[0]))
	case len(args) == 1:
		to, err := lone(o, args[0])
		if err != nil {
			return err
		}
		host = o.alias.called(to.host)
		all.Host = &shownHost{Name: host, Address: to.host, User: to.user, SSH: to.overSSH(o)}
	}
	if !o.server {
		list, err := o.view(false, host)
		if err != nil {
			return err
		}
		all.Client = list
	}
	if o.server || host == "" && !o.typedOf(sender) {
		list, err := o.view(true, "")
		if err != nil {
			return err
		}
		all.Server = list
	}
	if err := all.addHosts(o.texts); err != nil {
		return err
	}
	if o.json {
		return printJSON(e, all)
	}
	return printOut(e, all.text())
}

// addHosts lists the hosts of all files.
func (s *configReport) addHosts(texts []configText) error {
	files, err := parseConfig(texts)
	for _, f := range files {
		for _, h := range f.Hosts {
			a, err := aliasOf(f.Path, h)
			if err != nil {
				return err
			}
			s.Hosts = append(s.Hosts, shownHost{Name: a.name, Address: cmp.Or(a.address, a.name), User: a.user, Line: h.Line, File: f.Path})
		}
	}
	return err
}

// typedOf says whether the command line has a flag of one side alone.
func (o *options) typedOf(s side) bool {
	for _, g := range (&options{}).groups() {
		found := false
		g.flags.VisitAll(func(f *pflag.Flag) { found = found || o.typed[f.Name] && f.Name != "server" })
		if g.side == s && found {
			return true
		}
	}
	return false
}

// again is the same command line with the same files, as a server's or a client's.
func (o *options) again(texts []configText, server bool, host string) (*options, *pflag.FlagSet, error) {
	n := &options{words: o.words}
	f := newFlagSet()
	n.addFlags(f)
	if err := f.Parse(o.words); err != nil {
		return nil, nil, flagError(err)
	}
	n.server = server
	if err := n.configure(f, texts, server, host); err != nil {
		return nil, nil, err
	}
	return n, f, n.blame(n.check(f), f)
}

// view is what holds on one side.
func (o *options) view(server bool, host string) ([]shownSetting, error) {
	n, flags, err := o.again(o.texts, server, host)
	if err != nil {
		return nil, err
	}
	kinds := map[string]string{}
	for _, c := range o.texts {
		kinds[c.Path] = c.Kind
	}
	why := never()
	var list []shownSetting
	for _, g := range (&options{}).groups() {
		if g.side == receiver && !server || g.side == sender && server {
			continue
		}
		g.flags.VisitAll(func(fl *pflag.Flag) {
			f := flags.Lookup(fl.Name)
			if _, none := why[f.Name]; none || isRule(f.Value) {
				return
			}
			list = append(list, n.setting(f, kinds))
		})
	}
	return append(list, n.ruleSettings(kinds)...), nil
}

// setting is what holds for a flag.
func (o *options) setting(f *pflag.Flag, kinds map[string]string) shownSetting {
	s := shownSetting{Name: f.Name, Value: f.Value.String(), From: "default"}
	if l, ok := f.Value.(pflag.SliceValue); ok {
		s.Value = strings.Join(l.GetSlice(), ",")
	}
	at, set := o.from[f.Name]
	switch {
	case o.typed[f.Name]:
		s.From = "flag"
	case set:
		s.From, s.File, s.Line = kinds[at.Path], at.Path, at.Line
	}
	return s
}

// ruleSettings are the rules of what is left out, as they are tried.
func (o *options) ruleSettings(kinds map[string]string) []shownSetting {
	lines := o.selection.rules.Lines()
	var list []shownSetting
	for i, line := range lines {
		s := shownSetting{Name: "rule", Value: line, From: "flag"}
		if n := i - (len(lines) - len(o.rules)); n >= 0 {
			at := o.rules[n]
			s.From, s.File, s.Line = kinds[at.Path], at.Path, at.Line
		}
		list = append(list, s)
	}
	return list
}

// text is all of it for people.
func (s *configReport) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "files:")
	if len(s.Files) == 0 {
		fmt.Fprintln(w, "  none")
	}
	for _, f := range s.Files {
		note := ""
		if !f.There {
			note = "\tnot there"
		}
		fmt.Fprintf(w, "  %s\t%s%s\n", quote(f.Path), f.Kind, note)
	}
	_ = w.Flush() // into memory
	if h := s.Host; h != nil {
		fmt.Fprintf(w, "to %s:\n", quote(h.Name))
		fmt.Fprintf(w, "  %s\n", h.way())
	}
	section(w, "transfers:", s.Client)
	section(w, "server:", s.Server)
	if s.Host == nil && len(s.Hosts) > 0 {
		fmt.Fprintln(w, "hosts:")
		for _, h := range s.Hosts {
			fmt.Fprintf(w, "  %s\t%s\t%s:%d\n", quote(h.Name), h.way(), quote(h.File), h.Line)
		}
		_ = w.Flush()
	}
	return b.String()
}

// way is how the host is reached.
func (h *shownHost) way() string {
	to := quote(h.Address)
	if h.User != "" {
		to = quote(h.User) + "@" + to
	}
	if h.SSH || h.User != "" {
		to += ", over ssh"
	}
	return to
}

// section is a heading with settings, those of the command line and of files first.
func section(w *tabwriter.Writer, title string, list []shownSetting) {
	if list == nil {
		return
	}
	fmt.Fprintln(w, title)
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b shownSetting) int {
		return cmp.Compare(btoi(a.From == "default"), btoi(b.From == "default"))
	})
	for _, s := range list {
		from := s.From
		if s.File != "" {
			from = quote(origin{s.File, s.Line}.String())
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Name, cmp.Or(quote(s.Value), "-"), from)
	}
	_ = w.Flush() // into memory
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
