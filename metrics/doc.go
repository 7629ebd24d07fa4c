// Package metrics shows over HTTP what a server does: to Prometheus, to whoever asks
// whether it is well, and to people, on a page that stays up to date. All of it is only
// read; nothing here changes anything.
//
//	/            the page (page/: HTML, script and style of its own, embedded)
//	/api/status  what the page shows, as JSON
//	/metrics     for Prometheus (families.go: every metric, with its help)
//	/healthz     200 as long as the server lives
//	/readyz      200 as long as it takes clients
//
// It asks an engine.Meter when somebody asks it, and each few seconds for the throughput
// of the last minutes (history.go). Who may ask is a matter of who reaches the port. A
// browser reaches it for any page that its user has open: so nothing but GET and HEAD is
// answered, and only under a name that is the server's own (guard.go), against DNS
// rebinding; and what comes from peers reaches the page as text alone, under a policy that
// runs no script but the page's.
package metrics
