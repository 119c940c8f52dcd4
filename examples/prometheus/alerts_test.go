package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// names finds names of metrics.
var names = regexp.MustCompile(`\bksher_[a-z_]+`)

func distinct(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The alerts and the dashboard each use the four metrics, and no other.
func TestNames(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := NewMetrics(registry, none); err != nil {
		t.Fatal(err)
	}
	var want []string
	for series := range exported(t, registry) {
		want = append(want, strings.Fields(series)[0])
	}
	want = distinct(want)
	if len(want) != 4 {
		t.Fatal("the example exports", want)
	}
	for _, file := range []string{"alerts.yml", "dashboard.json"} {
		if got := distinct(names.FindAllString(read(t, file), -1)); !slices.Equal(got, want) {
			t.Errorf("%s uses %q, exported are %q", file, got, want)
		}
	}
}

// Each alert has a row in docs/night.md, and its summary links there.
func TestAlertsLinkToNight(t *testing.T) {
	alerts, night := read(t, "alerts.yml"), read(t, "../../docs/night.md")
	rules := strings.Split(alerts, "- alert: ")[1:]
	if len(rules) != 5 {
		t.Fatalf("there are %d alerts", len(rules))
	}
	link := regexp.MustCompile(`summary: ".* https://github\.com/ksher-go/ksher/blob/main/docs/night\.md#alerts"`)
	if !strings.Contains(night, "\n## Alerts\n") {
		t.Error("docs/night.md has no Alerts")
	}
	for _, rule := range rules {
		name := strings.Fields(rule)[0]
		if !link.MatchString(rule) {
			t.Errorf("%s has no link", name)
		}
		if !strings.Contains(night, "\n| `"+name+"` |") {
			t.Errorf("docs/night.md has no row for %s", name)
		}
	}
}

// Prometheus itself reads every expression of the dashboard.
func TestDashboard(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	if len(dashboard.Panels) != 4 {
		t.Errorf("there are %d panels", len(dashboard.Panels))
	}
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("panel %q is empty", panel.Title)
		}
		for j, target := range panel.Targets {
			rules += fmt.Sprintf("  - record: panel:%d:%d\n    expr: %q\n", i, j, target.Expr)
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool isn't installed; Debian has it in prometheus")
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
