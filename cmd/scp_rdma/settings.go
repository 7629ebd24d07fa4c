package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"scp_rdma/config"
)

const (
	// envConfig names the one file of settings, where it is set.
	envConfig = "SCP_RDMA_CONFIG"
	// noConfig in its place, or as --config, is no file at all.
	noConfig = "none"
	// kindUser is the Kind of a user's own file.
	kindUser = "user"
	// systemConfig is every user's.
	systemConfig = "/etc/scp_rdma/config.yaml"
)

// configText is a file of settings as it was read. It goes to the process in which a server
// begins anew, which could not read it again.
type configText struct {
	Path, Kind string // Kind is for people: user, system, file
	Home       string // what ~ means in it
	Missing    bool
	Text       []byte
}

// configFiles are the files of settings that this run reads, the first before the next. One that
// is named must be there.
func (o *options) configFiles(e env) (list []configText, named bool) {
	file := o.config
	if file == "" {
		file = e.getenv(envConfig)
	}
	home := e.getenv("HOME")
	switch file {
	case noConfig:
		return nil, false
	case "":
	default:
		return []configText{{Path: file, Kind: "file", Home: home}}, true
	}
	dir := e.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) && filepath.IsAbs(home) { // as keys.DefaultFile has it
		dir = filepath.Join(home, ".config")
	}
	if filepath.IsAbs(dir) {
		list = append(list, configText{Path: filepath.Join(dir, "scp_rdma", "config.yaml"), Kind: kindUser, Home: home})
	}
	if e.system != "" {
		list = append(list, configText{Path: e.system, Kind: "system", Home: home})
	}
	return list, false
}

// readConfig reads them.
func (o *options) readConfig(e env) ([]configText, error) {
	list, named := o.configFiles(e)
	for i := range list {
		if err := list[i].load(config.Load, named); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// load reads one. That it is not there matters only if somebody named it.
func (c *configText) load(read func(string) ([]byte, error), named bool) (err error) {
	c.Text, err = read(c.Path)
	c.Missing = errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && c.elsewhere()
	if c.Missing && !named {
		return nil
	}
	if err != nil {
		return usagef("configuration: %v", err)
	}
	return nil
}

// elsewhere says whether a user's file lies in a home that is closed to this user: it is somebody
// else's then, left in HOME by what changed the user.
func (c *configText) elsewhere() bool {
	_, err := os.Lstat(c.Path)
	return c.Kind == kindUser && errors.Is(err, fs.ErrPermission)
}

// never are flags that no file sets, each with the reason.
func never() map[string]string {
	const deed, once = "it is what one run does, and is asked for each time", "it is about one transfer"
	return map[string]string{
		"server": deed, "version": deed, "keygen": deed, "devices": deed, "clean": deed, "bench": deed, "list": deed, "verify-list": deed,
		"report": deed, "report-sum": deed, "remove-source-files": deed,
		"dry-run": deed, "over-ssh": deed, "help": deed, "show-config": deed, "quota": deed, "reset": deed, "completion": deed, "man": deed,
		"config": "it says which file this is", "delete": "what deletes is said each time, on the command line",
		"files-from": once, "to": once, "from0": once, "no-target-directory": once, "once": "it is about one run",
		"html": "it is about one measurement", "seconds": "it is about one measurement", "recursive": "it has no effect",
	}
}

// schema is what a file may set: the flags, by their long names, and of a host where it is.
func schema() config.Schema {
	s := config.Schema{Keys: map[string]config.Key{}, Secret: "scp_rdma1:"}
	why := never()
	for _, g := range (&options{}).groups() {
		g.flags.VisitAll(func(f *pflag.Flag) {
			s.Keys[f.Name] = config.Key{
				Takes: takesOf(f), Never: why[f.Name], Client: g.side != receiver, Server: g.side != sender,
			}
		})
	}
	s.Keys["address"] = config.Key{Takes: config.Text, Host: true}
	user := s.Keys["user"]
	user.Host = true
	s.Keys["user"] = user
	rails := s.Keys["rails"]
	rails.Word = "true or false; which rails to use is said by device, as in device: [mlx5_0]"
	s.Keys["rails"] = rails
	return s
}

// takesOf is what a flag takes in a file.
func takesOf(f *pflag.Flag) config.Takes {
	switch f.Value.Type() {
	case "bool":
		return config.Bool
	case "int", "int64", "count":
		return config.Number
	}
	if several(f.Value) {
		return config.List
	}
	return config.Text
}

// several says whether a flag takes several values.
func several(v pflag.Value) bool {
	_, slice := v.(pflag.SliceValue)
	return slice || isRule(v)
}

// isRule says whether each value is one rule more, whoever gives it.
func isRule(v pflag.Value) bool {
	_, ok := v.(ruleValue)
	return ok
}

// parseConfig reads what the files say.
func parseConfig(texts []configText) ([]*config.File, error) {
	var list []*config.File
	s := schema()
	for _, c := range texts {
		f, err := config.Parse(c.Path, c.Text, s)
		if err != nil {
			return nil, err
		}
		if err := sound(f, c.Home); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// sound tries every value of a file, also those that this run does not use, and writes out paths.
func sound(f *config.File, home string) error {
	o := &options{}
	flags := newFlagSet()
	o.addFlags(flags)
	try := func(values []config.Value, host bool) error {
		for i := range values {
			v := &values[i]
			if host && (v.Name == "address" || v.Name == "user") {
				continue
			}
			if err := outPaths(f.Path, flags.Lookup(v.Name), v, home); err != nil {
				return err
			}
			// Rules are read from their files where they are used.
			if v.Name == "filter-from" {
				continue
			}
			if err := assign(f.Path, flags.Lookup(v.Name), *v); err != nil {
				return err
			}
		}
		return nil
	}
	err := try(f.Client, false)
	if err == nil {
		err = try(f.Server, false)
	}
	for _, h := range f.Hosts {
		if err == nil {
			err = try(h.Values, true)
		}
		if err == nil {
			_, err = aliasOf(f.Path, h)
		}
	}
	return err
}

// outPaths writes ~ out in paths of this host, which begin at the root otherwise: a file is
// read wherever somebody stands.
func outPaths(path string, f *pflag.Flag, v *config.Value, home string) error {
	name, _ := pflag.UnquoteUsage(f)
	if name != "FILE" && name != "DIR" || f.Name == "remote-path" {
		return nil
	}
	for i, text := range v.Texts {
		if rest, ok := strings.CutPrefix(text, "~/"); ok && filepath.IsAbs(home) {
			text = filepath.Join(home, rest)
			v.Texts[i] = text
		}
		if !filepath.IsAbs(text) {
			return usagef("%s:%d: %s %s: in a file a path begins with / or ~/", path, v.Line, v.Name, quote(text))
		}
	}
	return nil
}

// assign gives a flag the value that stands in a file.
func assign(path string, f *pflag.Flag, v config.Value) error {
	var err error
	slice, ok := f.Value.(pflag.SliceValue)
	switch {
	case ok && v.List:
		err = slice.Replace(v.Texts)
	case ok: // one text is one value, whatever commas are in it
		err = slice.Replace(strings.Split(v.Texts[0], ","))
	default:
		for _, text := range v.Texts {
			if err == nil {
				err = f.Value.Set(text)
			}
		}
	}
	if err == nil {
		return nil
	}
	var usage usageError
	if errors.As(err, &usage) {
		return usagef("%s:%d: %s: %s", path, v.Line, v.Name, usage.text)
	}
	return usagef("%s:%d: %s %s: %s", path, v.Line, v.Name, quote(strings.Join(v.Texts, ",")), expected(v.Name))
}
