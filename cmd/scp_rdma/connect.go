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

// pkeyValue is --pkey.
type pkeyValue struct{ p *verbs.PKey }

// String implements pflag.Value.
func (v *pkeyValue) String() string {
	switch {
	case v.p == nil:
		return ""
	case v.p.Key != 0:
		return fmt.Sprintf("0x%04x", v.p.Key)
	}
	return strconv.Itoa(v.p.Row)
}

// Type implements pflag.Value.
func (v *pkeyValue) Type() string { return "key" }

// Set implements pflag.Value. A key is hexadecimal, as the kernel and the subnet manager
// write it; of 0x8000 and 0 nothing is left without the bit of full members.
func (v *pkeyValue) Set(s string) error {
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 16)
		if err != nil || n&0x7fff == 0 {
			return usagef("--pkey %s: a P_Key is 0x0001 to 0xffff", quote(s))
		}
		v.p = &verbs.PKey{Key: uint16(n)}
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return usagef("--pkey %s: it takes a key like 0x8001, or a row of the port's P_Key table like 1", quote(s))
	}
	v.p = &verbs.PKey{Row: int(n)}
	return nil
}

// checkRDMA says whether what is asked of RDMA fits the rest.
func (o *options) checkRDMA() error {
	without := o.transport == nameTCP || o.transport == nameSHM
	switch {
	case o.class >= 0 && without:
		return usagef("--traffic-class is for RoCE, --transport %s uses none", o.transport)
	case o.sl < -1 || o.sl > 15:
		return usagef("--sl %d: it takes 0 to 15", o.sl)
	case (o.sl >= 0 || o.pkey.p != nil) && without:
		return usagef("--sl and --pkey are for RDMA, --transport %s uses none", o.transport)
	case o.pkey.p != nil && verbs.Connect(o.connect) == verbs.CM:
		return usagef("--pkey is for --connect oob: rdma_cm takes the partition of the address's interface")
	case o.addressed() && without:
		return usagef("-i and -g are for RDMA devices, --transport %s uses none", o.transport)
	case o.connect != 0 && without:
		return usagef("--connect is for RDMA, --transport %s uses none", o.transport)
	case o.cmPorts.Last != 0 && verbs.Connect(o.connect) == verbs.OOB:
		return usagef("--cm-port is for rdma_cm, which --connect oob leaves out")
	}
	return nil
}
