package main

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"scp_rdma/transport/verbs"
)

// shells are those that cobra writes completion for.
func shells() []string { return []string{"bash", "zsh", "fish"} }

// completion prints what a shell has to run once, to have command lines completed from then on.
func completion(e env, args []string) error {
	if len(args) != 1 {
		return usagef("completion needs a shell, as in: scp_rdma completion bash (or %s)", strings.Join(shells()[1:], ", "))
	}
	cmd := &cobra.Command{Use: defaultProgram}
	var script bytes.Buffer
	var err error
	switch args[0] {
	case "bash":
		err = cmd.GenBashCompletionV2(&script, true)
	case "zsh":
		err = cmd.GenZshCompletion(&script)
	case "fish":
		err = cmd.GenFishCompletion(&script, true)
	default:
		return usagef("completion %s: it takes %s", quote(args[0]), strings.Join(shells(), ", "))
	}
	if err != nil {
		return err
	}
	return printOut(e, strings.ReplaceAll(script.String(), " "+cobra.ShellCompRequestCmd+" ", " "+askedByShell+" "))
}

// completes tells cobra what could stand where in a line, of which the last word is not yet
// complete.
func (o *options) completes(cmd *cobra.Command, line []string) {
	serves := slices.Contains(line, "-s") || slices.Contains(line, "--server")
	for _, g := range (&options{}).groups() {
		g.flags.VisitAll(func(f *pflag.Flag) {
			f = cmd.Flags().Lookup(f.Name)
			f.Hidden = serves && g.side == sender || f.Name == "over-ssh" // which is for no person
			var kind string
			kind, f.Usage = pflag.UnquoteUsage(f)
			_ = cmd.RegisterFlagCompletionFunc(f.Name, values(f.Name, kind)) // there is the flag, and no other function
		})
	}
	first := len(line) == 1
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch {
		case o.pages.completion && len(args) == 0:
			return shells(), cobra.ShellCompDirectiveNoFileComp
		case o.version, o.keygen, o.clean, o.pages.wanted(), o.showConfig, o.quota.show, o.devices, o.bench, o.server, cmd.Flags().Changed("help"), looksRemote(typed):
			return nil, cobra.ShellCompDirectiveNoFileComp
		case first:
			return firstWord(typed)
		}
		return nil, cobra.ShellCompDirectiveDefault // the shell lists files
	}
}

// values are what a flag takes: of a closed set, by its name, else by the kind that its help
// gives it.
func values(name, kind string) cobra.CompletionFunc {
	switch name {
	case "transport":
		return oneOf(func() []string { return append([]string{transportAuto}, builtIn()...) })
	case "log-format":
		return oneOf(logFormats)
	case "direct":
		return oneOf(directNames)
	case "report-sum":
		return oneOf(func() []string { return []string{sumXXH128, sumSHA256} })
	case "allow":
		return someOf(grantable)
	case "device":
		return someOf(railsHere)
	case "bind":
		return oneOf(addressesHere)
	}
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch kind {
		case "FILE":
			return nil, cobra.ShellCompDirectiveDefault
		case "DIR":
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func oneOf(list func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return starting(list(), typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// someOf completes the last of several with commas between.
func someOf(list func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndex(typed, ",")+1]
		there := strings.Split(before, ",")
		for _, s := range starting(list(), typed[len(before):]) {
			if word, _, _ := strings.Cut(s, "\t"); !slices.Contains(there, word) {
				found = append(found, before+s)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

func starting(list []string, typed string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return !strings.HasPrefix(s, typed) })
}

// railsHere are the rails that -d could name, each with what it is.
func railsHere() (names []string) {
	if list, err := verbs.Host().Devices(); err == nil {
		for _, d := range list {
			names = append(names, cobra.CompletionWithDesc(d.Name, "RDMA device"))
		}
	}
	all, err := net.Interfaces()
	if err != nil {
		return names // the devices, then
	}
	for _, in := range all {
		if in.Flags&net.FlagUp != 0 {
			names = append(names, cobra.CompletionWithDesc(in.Name, "interface, "+in.HardwareAddr.String()))
		}
	}
	return names
}

// addressesHere are this host's.
func addressesHere() (list []string) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() { // which needs a zone
			list = append(list, p.Addr().String())
		}
	}
	return list
}

// firstWord is a sub-command or a file. Shells list files only where nothing else is offered, and
// quote better than anybody can for them; so they do that alone wherever they can.
func firstWord(typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var found []cobra.Completion
	for _, c := range commands() {
		if strings.HasPrefix(c.name, typed) {
			found = append(found, cobra.CompletionWithDesc(c.name, c.does))
		}
	}
	if len(found) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	files := filesHere(typed)
	if len(files) == 0 {
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	return append(found, files...), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// filesHere are the names in this directory that begin so, but for those that a terminal should
// not get.
func filesHere(typed string) (names []string) {
	list, err := os.ReadDir(".")
	if err != nil {
		return nil
	}
	for _, f := range list {
		name := f.Name()
		if f.IsDir() {
			name += "/"
		}
		if strings.HasPrefix(name, typed) && !strings.HasPrefix(name, ".") && name == quote(name) && strings.TrimSpace(name) == name {
			names = append(names, name)
		}
	}
	return names
}
