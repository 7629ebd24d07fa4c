package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// fixed is a key whose text is part of the format: it must never change.
func fixed() Key {
	var k Key
	for i := range k.secret {
		k.secret[i] = byte(i)
	}
	return k
}

func TestTheTextOfAKeyIsFixed(t *testing.T) {
	const want = "scp_rdma1:a3a535d50c33d8ed:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f:d8802629"
	if got := fixed().Text(); got != want {
		t.Errorf("text %s, want %s", got, want)
	}
}

func TestAKeySurvivesItsText(t *testing.T) {
	a, b := New(), New()
	if a == b || a.ID() == b.ID() {
		t.Error("two new keys are one")
	}
	got, err := Parse(a.Text())
	if err != nil || got != a {
		t.Errorf("parse: %v", err)
	}
}

func TestADamagedKeyIsRefusedWithoutBeingShown(t *testing.T) {
	good := fixed().Text()
	secret := strings.Split(good, ":")[2]
	flipped := []byte(good)
	flipped[30] ^= 1
	bad := map[string]string{
		"empty": "", "cut": good[:len(good)-1], "cut short": good[:40], "changed": string(flipped),
		"other id": "scp_rdma1:0000000000000000:" + secret + good[len(good)-9:], "upper case": strings.ToUpper(good),
		"not hex": strings.Replace(good, "0001", "00zz", 1), "longer": good + "0", "spaced": " " + good,
		"later version": strings.Replace(good, "1:", "2:", 1), "more parts": good + ":",
	}
	for name, text := range bad {
		_, err := Parse(text)
		if !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "0203") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingPrintsTheSecret(t *testing.T) {
	k := fixed()
	var log bytes.Buffer
	l := hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Trace})
	j := hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Trace, JSONFormat: true})
	for _, v := range []any{k, &k, Holder{Name: "n", Key: k}, []Key{k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b"} {
			fmt.Fprintf(&log, verb, v)
		}
		js, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		log.Write(js)
		l.Info("key", "k", v)
		j.Info("key", "k", v)
	}
	text := log.String()
	for _, secret := range []string{"0001020304", "1 2 3 4 5", "0x1, 0x2", "00000001 00000010", string(k.secret[4:9]), "AQIDBA"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q in %q", secret, text)
		}
	}
	if n := strings.Count(text, k.ID().String()); n < 36 {
		t.Errorf("the ID is there %d times", n)
	}
}

func TestMACsAndSecretsAreToldApart(t *testing.T) {
	k, other := fixed(), New()
	shared := bytes.Repeat([]byte{7}, Size)
	seen := map[string]string{}
	add := func(what string, b []byte) {
		if was, ok := seen[hex.EncodeToString(b)]; ok || len(b) != Size {
			t.Errorf("%s equals %s, or has not %d bytes", what, was, Size)
		}
		seen[hex.EncodeToString(b)] = what
	}
	for name, key := range map[string]Key{"k": k, "other": other, "none": {}} {
		for _, label := range []string{"a", "b", "ab"} {
			m := key.MAC(label, []byte("x"))
			add(name+" mac "+label, m[:])
			d, err := key.Derive(shared, label)
			if err != nil {
				t.Fatal(err)
			}
			add(name+" derive "+label, d)
		}
		m := key.MAC("a", []byte("y"))
		add(name+" mac a of y", m[:])
	}
	d, _ := k.Derive(bytes.Repeat([]byte{8}, Size), "a")
	add("another connection", d)
}
