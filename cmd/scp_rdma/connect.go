package main

import (
	"fmt"
	"strconv"
	"strings"

	"scp_rdma/transport/verbs"
)

// connectValue is --connect.
type connectValue verbs.Connect

func connectWords() []string { return []string{"auto", "oob", "cm"} } // by verbs.Connect

// String implements pflag.Value.
func (c *connectValue) String() string { return connectWords()[*c] }

// Type implements pflag.Value.
func (c *connectValue) Type() string { return "how" }

// Set implements pflag.Value.
func (c *connectValue) Set(s string) error {
	for i, w := range connectWords() {
		if s == w {
			*c = connectValue(i)
			return nil
		}
	}
	return usagef("--connect %s: it takes %s", quote(s), strings.Join(connectWords(), ", "))
}

// cmPorts is --cm-port.
type cmPorts verbs.Ports

// String implements pflag.Value.
func (p *cmPorts) String() string {
	switch {
	case p.Last == 0:
		return ""
	case p.First == p.Last:
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// Type implements pflag.Value.
func (p *cmPorts) Type() string { return "ports" }

// Set implements pflag.Value.
func (p *cmPorts) Set(s string) error {
	var v portsValue
	if err := v.Set(s); err != nil {
		return usagef("--cm-port %s: it takes ports like 18515 or 18515-18530", quote(s))
	}
	*p = cmPorts{First: v.From, Last: v.To}
	return nil
}

// checkRDMA says whether what is asked of RDMA fits the rest.
func (o *options) checkRDMA() error {
	without := o.transport == nameTCP || o.transport == nameSHM
	switch {
	case o.class >= 0 && without:
		return usagef("--traffic-class is for RoCE, --transport %s uses none", o.transport)
	case o.addressed() && without:
		return usagef("-i and -g are for RDMA devices, --transport %s uses none", o.transport)
	case o.connect != 0 && without:
		return usagef("--connect is for RDMA, --transport %s uses none", o.transport)
	case o.cmPorts.Last != 0 && verbs.Connect(o.connect) == verbs.OOB:
		return usagef("--cm-port is for rdma_cm, which --connect oob leaves out")
	}
	return nil
}
