package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"scp_rdma/internal/tree"
)

const usage = `usage:
  treecmp compare [-owners] [-special] [-xattrs] [-skip-root] [-max N] A B
  treecmp generate [-seed N] [-files N] [-large N] [-large-size BYTES] [-plain] [-xattrs] DIR
  treecmp manyfiles [-files N] [-links N] [-dirs N] DIR
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process around it.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	commands := map[string]func([]string, io.Writer, *flag.FlagSet) (int, error){
		"compare": compare, "generate": generate, "manyfiles": manyFiles,
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprint(stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	code, err := command(args[1:], stdout, flags)
	if err != nil {
		fmt.Fprintf(stderr, "treecmp: %v\n", err)
		return 2
	}
	return code
}

// compare prints the differences of two trees, one a line.
func compare(args []string, stdout io.Writer, flags *flag.FlagSet) (int, error) {
	var o tree.Options
	flags.BoolVar(&o.Owners, "owners", false, "compare user and group ids")
	flags.BoolVar(&o.Special, "special", false, "compare setuid, setgid and sticky bits")
	flags.BoolVar(&o.Xattrs, "xattrs", false, "compare extended attributes user.*")
	flags.BoolVar(&o.SkipRoot, "skip-root", false, "mode and times of A and B themselves may differ")
	flags.IntVar(&o.Max, "max", 100, "differences to print")
	if err := parse(flags, args, 2); err != nil {
		return 2, err
	}
	diffs, err := tree.Compare(flags.Arg(0), flags.Arg(1), o)
	for _, d := range diffs {
		fmt.Fprintln(stdout, d)
	}
	if err != nil || len(diffs) == 0 {
		return 0, err
	}
	return 1, nil
}

// generate makes a tree and says what is in it.
func generate(args []string, stdout io.Writer, flags *flag.FlagSet) (int, error) {
	var s tree.Spec
	flags.Uint64Var(&s.Seed, "seed", 1, "equal seeds give equal trees")
	flags.IntVar(&s.Files, "files", 1000, "plain files")
	flags.IntVar(&s.Large, "large", 0, "large files")
	flags.Int64Var(&s.LargeSize, "large-size", 64<<20, "bytes of each large file")
	flags.BoolVar(&s.PlainOnly, "plain", false, "nothing but plain and large files")
	flags.BoolVar(&s.Xattrs, "xattrs", false, "with extended attributes")
	flags.BoolVar(&s.Unreadable, "unreadable", false, "with files that only root can read")
	flags.BoolVar(&s.Special, "special", false, "with setuid, setgid and sticky bits")
	if err := parse(flags, args, 1); err != nil {
		return 2, err
	}
	st, err := tree.Generate(flags.Arg(0), s)
	if err != nil {
		return 2, err
	}
	fmt.Fprintf(stdout, "%d files, %d directories, %d symlinks, %d hard links, %d bytes\n",
		st.Files, st.Dirs, st.Symlinks, st.Links, st.Bytes)
	return 0, nil
}

// manyFiles makes very many small entries.
func manyFiles(args []string, _ io.Writer, flags *flag.FlagSet) (int, error) {
	var m tree.Many
	flags.IntVar(&m.Files, "files", 0, "empty and tiny files")
	flags.IntVar(&m.Links, "links", 0, "hard links, each to a file of its own")
	flags.IntVar(&m.Dirs, "dirs", 0, "empty directories")
	if err := parse(flags, args, 1); err != nil {
		return 2, err
	}
	return 0, tree.ManyFiles(flags.Arg(0), m)
}

// parse reads the flags and asks for exactly n arguments after them.
func parse(flags *flag.FlagSet, args []string, n int) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != n {
		return fmt.Errorf("%s takes %d arguments, not %d", flags.Name(), n, flags.NArg())
	}
	return nil
}
