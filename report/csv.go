package report

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"
	"time"
)

var csvHeader = []string{"kind", "service", "group", "title", "documented", "used", "host", "port",
	"requests", "allowed", "failures", "denied", "clients", "bytes_received", "bytes_sent",
	"first_seen", "last_seen", "shared_with", "suggest", "scheme", "class", "class_reason", "resembles", "broad"}

// A csvRow holds cells by column name.
type csvRow map[string]string

func writeCSV(out *bytes.Buffer, r *Report) error {
	w := csv.NewWriter(out)
	rows := []csvRow{}
	for i := range r.Services {
		rows = append(rows, serviceCSV(&r.Services[i])...)
	}
	for _, u := range r.Undocumented {
		rows = append(rows, csvRow{"kind": "undocumented", "documented": "false", "host": u.Host, "port": port(u.Port),
			"requests": digits(u.Requests), "allowed": digits(u.Allowed), "failures": digits(u.Failures), "denied": digits(u.Denied),
			"bytes_received": digits(u.Received), "bytes_sent": digits(u.Sent), "scheme": u.Scheme, "class": u.Class,
			"class_reason": u.ClassReason, "resembles": u.Resembles, "broad": u.Broad,
			"clients": digits(int64(u.Clients)), "first_seen": u.FirstSeen.csv(), "last_seen": u.LastSeen.csv(),
			"suggest": u.Suggest})
	}
	if err := w.Write(csvHeader); err != nil {
		return err
	}
	for _, row := range rows {
		cells := make([]string, len(csvHeader))
		for i, name := range csvHeader {
			cells[i] = csvCell(row[name])
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func serviceCSV(s *Service) []csvRow {
	rows := []csvRow{{"kind": "service", "service": s.ID, "group": s.Group, "title": s.Title,
		"documented": strconv.FormatBool(s.Documented), "used": strconv.FormatBool(s.Used),
		"requests": digits(s.Requests), "allowed": digits(s.Requests - s.Denied), "failures": digits(s.Failures),
		"denied": digits(s.Denied), "clients": digits(int64(s.Clients)),
		"bytes_received": digits(s.Received), "bytes_sent": digits(s.Sent),
		"first_seen": s.FirstSeen.csv(), "last_seen": s.LastSeen.csv(), "shared_with": strings.Join(s.SharedWith, " ")}}
	for _, e := range s.Endpoints {
		rows = append(rows, csvRow{"kind": "endpoint", "service": s.ID, "group": s.Group,
			"documented": strconv.FormatBool(s.Documented), "host": e.Host, "port": port(e.Port),
			"requests": digits(e.Requests), "allowed": digits(e.Requests - e.Denied), "failures": digits(e.Failures),
			"denied": digits(e.Denied), "clients": digits(int64(e.Clients)),
			"bytes_received": digits(e.Bytes.Received), "bytes_sent": digits(e.Bytes.Sent),
			"first_seen": e.FirstSeen.csv(), "last_seen": e.LastSeen.csv()})
	}
	return rows
}

func (m Moment) csv() string {
	if m.IsZero() {
		return ""
	}
	return m.UTC().Format(time.RFC3339)
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }

// port is empty for Other, which has none.
func port(n uint16) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}
