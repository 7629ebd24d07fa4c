package main

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// headed is a paragraph of --help that begins with what it is about.
	headed = regexp.MustCompile(`(?s)^([A-Z][a-z]+(?: [a-z]+){0,3})(?::\s(.*)| \((.*?)\):\n(.*))$`)
	// listed is a line of a list: what, a gap, and what about it.
	listed = regexp.MustCompile(`^ {2,8}(\S.*?) {2,}(\S.*)$`)
	// deeper goes on with what such a line says.
	deeper = regexp.MustCompile(`^ {9,}(\S.*)$`)
)

// manual is the page for man(1). It is made of what --help says, so that the two never differ;
// only the flags are taken from where they are declared, since their table is wrapped for a
// narrow terminal.
func manual() string {
	m := &page{}
	name, rest, _ := strings.Cut(help(), "\n\n")
	m.line(`.TH SCP_RDMA 1 "" "scp_rdma ` + roff(version) + `" "User Commands"`)
	m.line(".nh") // words of a command line are not to be broken
	m.line(".ad l")
	m.line(".SH NAME")
	m.line(`scp_rdma \- ` + roff(strings.TrimSuffix(strings.TrimPrefix(name, "scp_rdma "), ".")))
	groups := (&options{}).groups()
	for _, text := range strings.Split(strings.TrimRight(rest, "\n"), "\n\n") {
		at := slices.IndexFunc(groups, func(g flagGroup) bool { return strings.HasPrefix(text, g.title+":\n") })
		if at < 0 {
			m.paragraph(text)
			continue
		}
		m.heading(groups[at].title)
		m.flags(groups[at].flags.FlagUsages())
	}
	return m.String()
}

// page is a text for man(7).
type page struct{ strings.Builder }

func (m *page) line(s string) { m.WriteString(s + "\n") }

// heading begins a section. What stands in parentheses is its first words.
func (m *page) heading(title string) {
	title, more, _ := strings.Cut(title, " (")
	if title == "Usage" {
		title = "Synopsis" // as sections are called
	}
	m.line(".SH " + roff(strings.ToUpper(title)))
	if more != "" {
		m.prose(capital(strings.TrimSuffix(more, ")")) + ".")
	}
}

// paragraph is one of --help.
func (m *page) paragraph(text string) {
	if h := headed.FindStringSubmatch(text); h != nil {
		title := h[1]
		if h[3] != "" {
			title += " (" + h[3] + ")"
		}
		m.heading(title)
		text = h[2] + h[4]
		text = capital(text)
	} else {
		m.line(".PP")
	}
	lists := false
	for l := range strings.SplitSeq(text, "\n") {
		item, more := listed.FindStringSubmatch(l), deeper.FindStringSubmatch(l)
		switch {
		case more != nil:
			m.prose(more[1])
		case item != nil:
			m.item(item[1], item[2])
			lists = true
		default:
			if lists {
				m.line(".PP")
				lists = false
			}
			m.prose(strings.TrimSpace(l))
		}
	}
}

// capital begins a sentence.
func capital(text string) string {
	if text == "" || text[0] == ' ' { // of a list
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// flags is a table of flags whose lines are not wrapped.
func (m *page) flags(table string) {
	for l := range strings.Lines(table) {
		names, usage, _ := strings.Cut(strings.TrimSpace(l), "   ")
		m.item(names, strings.TrimSpace(usage))
	}
}

// item is a word or a few, and below what about them.
func (m *page) item(what, about string) {
	m.line(".TP")
	m.line(`\fB` + roff(what) + `\fR`)
	m.prose(about)
}

// prose is text that is filled.
func (m *page) prose(text string) {
	if text != "" {
		m.line(roff(text))
	}
}

// roff keeps text from being taken for anything but text, and has its signs come out as those
// that a shell takes.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`, `"`, `\(dq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
