package main

import "github.com/spf13/pflag"

// pages are what the program prints of itself, for other programs.
type pages struct{ completion, man bool }

func (p *pages) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&p.completion, "completion", false, "print what a shell needs to complete command lines, like scp_rdma completion bash")
	f.BoolVar(&p.man, "man", false, "print the manual page, like scp_rdma man")
}

// wanted says whether any is.
func (p *pages) wanted() bool { return p.completion || p.man }

// print prints it.
func (p *pages) print(e env, args []string) error {
	if p.completion {
		return completion(e, args)
	}
	if len(args) > 0 {
		return usagef("%s: man prints the manual page, it takes no files", quote(args[0]))
	}
	return printOut(e, manual())
}

// checkPages finds what would be left undone.
func (o *options) checkPages() error {
	more := o.server || o.servesSSH || o.keygen || o.devices || o.clean || o.bench || o.checkList || o.list || o.showConfig
	if o.pages.completion && o.pages.man || o.pages.wanted() && more {
		return usagef("completion and man only print: they exclude each other and all that does more")
	}
	return nil
}
