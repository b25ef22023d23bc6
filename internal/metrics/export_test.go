package metrics

// Names returns the names of all metrics, with their labels.
func (m *Metrics) Names() []string { return m.names }
