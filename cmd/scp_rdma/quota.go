package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/state"
)

// quotaOptions are those of scp_rdma quota.
type quotaOptions struct {
	show  bool
	reset []string
}

func (q *quotaOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&q.show, "quota", false, "show what has been stored under keys that have a quota, like scp_rdma quota --authorized FILE")
	f.StringArrayVar(&q.reset, "reset", nil, "with quota: begin the account of the key `NAME` anew, with nothing stored (more than once: of each)")
}

// account is what the holder of a key may store; nil: any number of bytes.
func (s *estate) account(h keys.Holder) (engine.Allowance, error) {
	if h.Quota == 0 {
		return nil, nil
	}
	if s.store == nil {
		return nil, errNoAccounts(h)
	}
	a, err := s.store.Account(h.Key.ID(), h.Name, h.Quota)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// errNoAccounts: what was stored would be forgotten.
func errNoAccounts(h keys.Holder) error {
	return usagef("quota= of %s: there is nowhere to remember what was stored: name a directory with --state-dir", h.Name)
}

// countable says whether a list of keys has quotas that can't be counted.
func (s *estate) countable(r *keys.Ring) error {
	if r == nil || !s.Forgetful {
		return nil
	}
	for _, h := range r.Holders() {
		if h.Quota > 0 {
			return errNoAccounts(h)
		}
	}
	return nil
}

// shownQuota is what scp_rdma quota tells of a key.
type shownQuota struct {
	Name  string `json:"name"`
	Key   string `json:"key"`   // its ID
	Quota int64  `json:"quota"` // bytes; 0: none
	Used  int64  `json:"used"`
	Since string `json:"since,omitempty"`
}

// quotas shows what has been stored under the keys of a list, or begins accounts anew. It does so
// as whoever the server is.
func quotas(e env, con *console, o *options) error {
	if o.authorized == "" {
		return usagef("quota shows what the keys of a list have stored: name it with --authorized FILE")
	}
	text, err := keys.ReadList(o.authorized)
	if err != nil {
		return err
	}
	ring, err := keys.RingOf(o.authorized, text)
	if err != nil {
		return err
	}
	store, err := o.openStore(e)
	if err != nil {
		return err
	}
	var list []shownQuota
	found := map[string]bool{}
	for _, h := range ring.Holders() {
		found[h.Name] = true
		if len(o.quota.reset) > 0 {
			continue
		}
		t, err := store.Used(h.Key.ID())
		if err != nil {
			return err
		}
		list = append(list, shownQuota{h.Name, h.Key.ID().String(), h.Quota, t.Used, t.Since})
	}
	if len(o.quota.reset) > 0 {
		return o.forgive(con, store, ring, found)
	}
	if o.json {
		return printJSON(e, list)
	}
	return printOut(e, quotaText(list))
}

// openStore opens what a server remembers, as the user that it becomes.
func (o *options) openStore(e env) (*state.Store, error) {
	u, err := o.becomes()
	if err != nil {
		return nil, err
	}
	if u != nil {
		e.getenv = homeOf(u, e.getenv)
	}
	dir, err := o.stateIn(e)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("what a server remembers: %w (--state-dir and --user as the server has them)", err)
	}
	if u != nil {
		if err := u.Become(); err != nil {
			return nil, err
		}
	}
	return state.Open(dir, nil)
}

// forgive begins accounts anew.
func (o *options) forgive(con *console, store *state.Store, ring *keys.Ring, found map[string]bool) (err error) {
	for _, name := range o.quota.reset {
		if !found[name] {
			return usagef("--reset %s: no key in %s has that name; nothing has changed", quote(name), quote(o.authorized))
		}
	}
	for _, h := range ring.Holders() {
		for _, name := range o.quota.reset {
			if h.Name == name {
				err = errors.Join(err, store.Forgive(h.Key.ID(), h.Name))
				con.say(fmt.Sprintf("%s has stored nothing from now on (%v)", h.Name, h.Key))
			}
		}
	}
	return err
}

// quotaText is the list for people.
func quotaText(list []shownQuota) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, q := range list {
		since := "-"
		if at, err := time.Parse(time.RFC3339Nano, q.Since); err == nil {
			since = "since " + at.Local().Format(time.DateTime)
		}
		limit := "no quota"
		if q.Quota > 0 {
			limit = fmt.Sprintf("%s of %s left", size(uint64(max(q.Quota-q.Used, 0))), size(uint64(q.Quota)))
		}
		fmt.Fprintf(w, "%s\t%s stored\t%s\t%s\n", q.Name, size(uint64(q.Used)), limit, since)
	}
	_ = w.Flush() // into memory
	return b.String()
}

// checkQuota finds what makes no sense beside it.
func (o *options) checkQuota() error {
	switch {
	case len(o.quota.reset) > 0 && !o.quota.show:
		return usagef("--reset is for quota, as in: scp_rdma quota --authorized FILE --reset NAME")
	case o.quota.show && (o.server || o.servesSSH || o.keygen || o.devices || o.clean || o.bench || o.list || o.showConfig || o.pages.wanted()):
		return usagef("quota only looks after accounts: it excludes -s and all that does more")
	}
	return nil
}
