package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// series has the exported metrics, their labels and the labels' values.
type series map[string]map[string][]string

func exportedSeries(t *testing.T) series {
	t.Helper()
	registry := prometheus.NewRegistry()
	if _, err := NewMetrics(registry, none); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(series)
	for _, f := range families {
		all[f.GetName()] = make(map[string][]string)
		for _, m := range f.Metric {
			for _, l := range m.Label {
				all[f.GetName()][l.GetName()] = append(all[f.GetName()][l.GetName()], l.GetValue())
			}
		}
	}
	if len(all) != 4 {
		t.Fatal("the example exports", all)
	}
	return all
}

var (
	selector = regexp.MustCompile(`(\w*)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`(\w+)[=!~]+"([^"]*)"`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
	duration = regexp.MustCompile(`\[\w+\]`)
	word     = regexp.MustCompile(`[A-Za-z_]\w*( ?\()?`)
)

// misspelt returns what an expression names that isn't exported, and the metrics it uses.
// promtool reads the rest.
func (all series) misspelt(expr string) (wrong, used []string) {
	labels := []string{"job", "instance"} // Prometheus adds them.
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			values, ok := all[s[1]][m[1]]
			if !ok && !slices.Contains(labels, m[1]) {
				wrong = append(wrong, "label "+m[1])
			}
			for value := range strings.SplitSeq(m[2], "|") {
				if ok && !slices.Contains(values, value) {
					wrong = append(wrong, "value "+value)
				}
			}
		}
	}
	rest := duration.ReplaceAllString(selector.ReplaceAllString(expr, "$1"), "")
	for _, w := range word.FindAllString(grouping.ReplaceAllString(rest, ""), -1) {
		if strings.HasSuffix(w, "(") || slices.Contains([]string{"min", "max", "sum", "and", "unless"}, w) {
			continue
		}
		if _, ok := all[w]; !ok {
			wrong = append(wrong, "metric "+w)
			continue
		}
		used = append(used, w)
		labels = slices.AppendSeq(labels, maps.Keys(all[w]))
	}
	for _, by := range grouping.FindAllStringSubmatch(rest, -1) {
		for label := range strings.SplitSeq(by[1], ", ") {
			if !slices.Contains(labels, label) {
				wrong = append(wrong, "label "+label)
			}
		}
	}
	return wrong, used
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The alerts and the dashboard each use the four metrics, and nothing that the example
// doesn't export: an alert on a misspelt name would never fire. Nor may the alerts' test give
// them what is never exported.
func TestNames(t *testing.T) {
	all := exportedSeries(t)
	exprs := map[string][]string{}
	for _, target := range dashboardTargets(t) {
		exprs["dashboard.json"] = append(exprs["dashboard.json"], target.Expr)
	}
	for file, form := range map[string]string{
		"alerts.yml":      `(?m)^ {8}expr: (?:>-)?(.*(?:\n {10}.*)*)`,
		"alerts_test.yml": `series: '([^']*)'`,
	} {
		for _, found := range regexp.MustCompile(form).FindAllStringSubmatch(read(t, file), -1) {
			exprs[file] = append(exprs[file], found[1])
		}
	}
	for _, file := range []string{"alerts.yml", "alerts_test.yml", "dashboard.json"} {
		var metrics []string
		for _, expr := range exprs[file] {
			wrong, used := all.misspelt(expr)
			if len(wrong) > 0 {
				t.Errorf("%s: %q is not exported in %s", file, wrong, expr)
			}
			metrics = append(metrics, used...)
		}
		slices.Sort(metrics)
		if want := slices.Sorted(maps.Keys(all)); !slices.Equal(slices.Compact(metrics), want) {
			t.Errorf("%s uses %q, exported are %q", file, metrics, want)
		}
	}
}

// What a legend or a summary names has to be a label that the expression leaves.
func TestLabelsInTexts(t *testing.T) {
	texts := map[string]string{} // By expression.
	for _, target := range dashboardTargets(t) {
		texts[target.Expr] = target.LegendFormat
	}
	for rule := range strings.SplitSeq(read(t, "alerts.yml"), "- alert: ") {
		if expr, text, ok := strings.Cut(rule, "annotations:"); ok {
			texts[expr] = text
		}
	}
	if len(texts) != 9 {
		t.Errorf("there are %d texts", len(texts))
	}
	for expr, text := range texts {
		for _, label := range regexp.MustCompile(`\{\{ ?(?:\$labels\.)?(\w+) ?\}\}`).FindAllStringSubmatch(text, -1) {
			by := grouping.FindStringSubmatch(expr)
			if by == nil || !slices.Contains(strings.Split(by[1], ", "), label[1]) {
				t.Errorf("there is no %s in %s", label[1], expr)
			}
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

type target struct{ Expr, LegendFormat string }

// dashboardTargets returns what the four panels show.
func dashboardTargets(t *testing.T) (targets []target) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []target
		}
	}
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	if len(dashboard.Panels) != 4 {
		t.Errorf("there are %d panels", len(dashboard.Panels))
	}
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("panel %q is empty", panel.Title)
		}
		targets = append(targets, panel.Targets...)
	}
	return targets
}

// Prometheus itself reads every expression of the dashboard.
func TestDashboard(t *testing.T) {
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, target := range dashboardTargets(t) {
		rules += fmt.Sprintf("  - record: panel:%d\n    expr: %q\n", i, target.Expr)
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
