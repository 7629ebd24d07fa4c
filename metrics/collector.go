package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"scp_rdma/engine"
)

// collector gives Prometheus what a Meter has, at each scrape.
type collector struct {
	read     func() engine.Reading
	families []family
}

// family is one metric, with all its labels.
type family struct {
	Name, Help string
	Type       string // counter, gauge, histogram
	Labels     []string
	values     func(r *engine.Reading, put func(v float64, labels ...string))
	histograms func(r *engine.Reading, put func(h engine.Histogram, labels ...string))

	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	r := c.read()
	for _, f := range c.families {
		if f.histograms != nil {
			f.histograms(&r, func(h engine.Histogram, labels ...string) {
				buckets := make(map[float64]uint64, len(h.Buckets))
				for _, b := range h.Buckets {
					buckets[b.UpTo.Seconds()] = b.Count
				}
				ch <- prometheus.MustNewConstHistogram(f.desc, h.Count, h.Sum.Seconds(), buckets, labels...)
			})
			continue
		}
		kind := prometheus.GaugeValue
		if f.Type == counter {
			kind = prometheus.CounterValue
		}
		f.values(&r, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(f.desc, kind, v, labels...)
		})
	}
}
