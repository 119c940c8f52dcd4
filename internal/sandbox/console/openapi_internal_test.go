package console

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/scenario"
	"github.com/ksher-go/ksher/internal/sandbox/story"
)

// schema is one of openapi.yaml.
type schema struct {
	Ref                  string `yaml:"$ref"`
	Type, Format         string
	Enum                 []string
	Required             []string
	Properties           map[string]*schema
	Items                *schema
	AdditionalProperties any `yaml:"additionalProperties"`
}

// description is openapi.yaml.
type description struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas map[string]*schema
	}
}

type operation struct {
	RequestBody struct {
		Content map[string]struct{ Schema *schema }
	} `yaml:"requestBody"`
}

func readDescription(t *testing.T) (d description) {
	t.Helper()
	var file struct {
		Paths      map[string]map[string]yaml.Node
		Components yaml.Node
	}
	require.NoError(t, yaml.Unmarshal(openAPI, &file))
	require.NoError(t, file.Components.Decode(&d.Components))
	d.Paths = make(map[string]map[string]operation)
	for path, members := range file.Paths {
		d.Paths[path] = make(map[string]operation)
		for name, node := range members {
			var op operation
			if name == "parameters" {
				continue
			}
			require.NoError(t, node.Decode(&op))
			d.Paths[path][name] = op
		}
	}
	return d
}

// A route that isn't described fails, and a description of none.
func TestRoutesAreDescribed(t *testing.T) {
	var described []string
	for path, operations := range readDescription(t).Paths {
		for method := range operations {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	routes := []string{"GET /healthz"} // The gateway has it beside the console.
	for _, r := range new(Console).routes() {
		routes = append(routes, r.pattern)
	}
	assert.ElementsMatch(t, routes, described)
}

// Words that some parsers take for true or false are in quotes.
func TestDescriptionIsPortable(t *testing.T) {
	var file yaml.Node
	require.NoError(t, yaml.Unmarshal(openAPI, &file))
	var look func(*yaml.Node)
	look = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
			assert.NotContains(t, []string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(n.Value), "line %d", n.Line)
		}
		for _, inner := range n.Content {
			look(inner)
		}
	}
	look(&file)
}

// What an action asks for is what its body has.
func TestActionsAreDescribed(t *testing.T) {
	d := readDescription(t)
	for _, a := range actions {
		var asks []string
		if body, ok := d.Paths["/control/orders/{no}/"+a.name]["post"].RequestBody.Content["application/json"]; ok {
			asks = slices.Collect(maps.Keys(d.find(t, body.Schema).Properties))
		}
		assert.Equal(t, a.asks, strings.Join(asks, " "), a.name)
	}
}

// Each schema has the members that Go writes and reads, and no others.
func TestSchemasAreTrue(t *testing.T) {
	d := readDescription(t)
	for name, value := range map[string]any{
		"Error": errorData{}, "Order": orderData{}, "NewMerchant": newMerchant{}, "MerchantList": merchantList{},
		"Fault": faultData{}, "FaultList": faultList{}, "Request": requestData{}, "ScenarioList": scenarioList{},
		"Verdict": scenario.Verdict{}, "ClockStep": step{}, "Clock": clockData{}, "ScenarioChoice": scenarioName{}, "Price": price{},
		"Added": addedData{}, "Expectation": expectation{}, "Archive": story.Story{}.HAR("", ""),
	} {
		d.compare(t, name, &schema{Ref: "#/components/schemas/" + name}, reflect.TypeOf(value))
	}
	for list, item := range map[string]string{"OrderList": "orders", "RequestList": "requests"} {
		assert.Equal(t, []string{item, "total"}, slices.Sorted(maps.Keys(d.Components.Schemas[list].Properties)))
	}
}

// The enumerations have what there is.
func TestEnumerationsAreTrue(t *testing.T) {
	schemas := readDescription(t).Components.Schemas
	var names []string
	for _, s := range scenario.All() {
		names = append(names, s.Name)
	}
	assert.ElementsMatch(t, names, schemas["ScenarioName"].Enum)
	assert.ElementsMatch(t, texts(core.States()), schemas["State"].Enum)
	kinds := texts(append(core.OperationFaults(), core.NotifyFaults()...))
	slices.Sort(kinds)
	assert.ElementsMatch(t, slices.Compact(kinds), schemas["FaultKind"].Enum)
	marks := []scenario.Mark{scenario.Waiting, scenario.Good, scenario.Bad}
	assert.ElementsMatch(t, texts(marks), schemas["Verdict"].Properties["mark"].Enum)
	accounts := []core.Account{anyAccount, core.OfflineAccount, core.OnlineAccount}
	assert.ElementsMatch(t, texts(accounts), schemas["Account"].Enum)
}

func texts[T ~string](values []T) (list []string) {
	for _, v := range values {
		list = append(list, string(v))
	}
	return list
}

// find follows a reference.
func (d description) find(t *testing.T, s *schema) *schema {
	if s.Ref == "" {
		return s
	}
	found := d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	require.NotNil(t, found, s.Ref)
	return found
}

// compare compares a schema with a Go type at a place.
func (d description) compare(t *testing.T, place string, s *schema, typ reflect.Type) {
	s = d.find(t, s)
	kinds := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number",
		reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
	}
	switch {
	case typ == reflect.TypeFor[time.Time]():
		assert.Equal(t, "string date-time", s.Type+" "+s.Format, place)
		return
	case typ.Kind() == reflect.Pointer:
		d.compare(t, place, s, typ.Elem())
		return
	}
	assert.Equal(t, kinds[typ.Kind()], s.Type, place)
	switch typ.Kind() {
	case reflect.Slice:
		require.NotNil(t, s.Items, place)
		d.compare(t, place+"[]", s.Items, typ.Elem())
	case reflect.Map:
		assert.Equal(t, map[string]any{"type": "string"}, s.AdditionalProperties, place)
	case reflect.Struct:
		d.compareMembers(t, place, s, typ)
	}
}

func (d description) compareMembers(t *testing.T, place string, s *schema, typ reflect.Type) {
	assert.Equal(t, false, s.AdditionalProperties, "%s is open", place)
	var members, required []string
	for _, field := range reflect.VisibleFields(typ) {
		tag, ok := field.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if !ok || name == "-" {
			continue
		}
		members = append(members, name)
		if !strings.HasPrefix(options, "omit") {
			required = append(required, name)
		}
		if member := s.Properties[name]; assert.NotNil(t, member, "%s lacks %s", place, name) {
			d.compare(t, place+"."+name, member, field.Type)
		}
	}
	assert.ElementsMatch(t, members, slices.Collect(maps.Keys(s.Properties)), place)
	assert.ElementsMatch(t, required, s.Required, place)
}
