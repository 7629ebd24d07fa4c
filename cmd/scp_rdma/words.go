package main

import (
	"net/netip"
	"slices"

	"github.com/spf13/cobra"
)

// command is a first word that is no file.
type command struct{ name, does string }

// commands are all of them. Each is a flag of the same name inside, but for config and verify.
func commands() []command {
	return []command{
		{"keygen", "make a key"},
		{"devices", "RDMA devices, used or why not"},
		{"bench", "measure from memory to memory"},
		{"verify", "compare files with a list of checksums"},
		{"clean", "remove what interrupted transfers left"},
		{"quota", "what was stored under keys that have a quota"},
		{"config", "the settings in force, and where each comes from"},
		{"completion", "what a shell needs to complete command lines"},
		{"man", "the manual page"},
		{"version", "which version this is"},
		{"help", "how to use it"},
	}
}

// askedByShell is the first argument where a shell asks what could stand in a command line. The
// word that cobra has for it could be a file.
const askedByShell = "--complete"

// asks says whether a shell does.
func asks(args []string) bool { return len(args) > 1 && args[0] == askedByShell }

// words are the arguments as cobra shall see them: sub-commands are flags, and
// a file whose name is a command of cobra's own is spelled so that it is none.
func words(args []string) []string {
	if last := len(args) - 1; asks(args) {
		return slices.Concat([]string{cobra.ShellCompRequestCmd}, words(args[1:last]), args[last:])
	}
	switch name := subCommand(args); name {
	case "":
	case "help":
		return []string{"--help"}
	case "verify": // --verify is what a transfer may do
		return slices.Concat([]string{"--verify-list"}, args[1:])
	case "config": // --config names a file
		return slices.Concat([]string{"--show-config"}, args[1:])
	default:
		return slices.Concat([]string{"--" + name}, args[1:])
	}
	args = slices.Clone(args)
	if args == nil {
		return []string{} // nil is os.Args to cobra
	}
	for i, a := range args {
		if a == cobra.ShellCompRequestCmd || a == cobra.ShellCompNoDescRequestCmd {
			args[i] = "./" + a
		}
	}
	return args
}

// namesPath says whether an argument has the form HOST:PATH; a bare address has
// colons as well.
func namesPath(arg string) bool {
	_, err := netip.ParseAddr(unbracket(arg))
	return err != nil && looksRemote(arg)
}

// subCommand is the sub-command that args call, "" if they mean a copy: a first
// word is one only if no later argument has the form HOST:...
func subCommand(args []string) string {
	if len(args) == 0 || slices.ContainsFunc(args[1:], namesPath) {
		return ""
	}
	if !slices.ContainsFunc(commands(), func(c command) bool { return c.name == args[0] }) {
		return ""
	}
	return args[0]
}
