module github.com/ksher-go/ksher

go 1.25.0

require (
	filippo.io/bigmod v0.1.0
	github.com/alecthomas/kong v1.17.0
	github.com/alecthomas/mango-kong v0.1.0
	github.com/google/go-querystring v1.2.0
	github.com/jarcoal/httpmock v1.4.2
	github.com/muesli/roff v0.1.0
	github.com/stretchr/testify v1.12.1
	go.etcd.io/bbolt v1.5.0
	go.uber.org/goleak v1.3.0
	go.yaml.in/yaml/v3 v3.0.6
	golang.org/x/term v0.40.0
	rsc.io/qr v0.2.0
)

require (
	github.com/muesli/mango v0.1.1-0.20220205060214-77e2058169ab // indirect
	golang.org/x/sys v0.47.0 // indirect
)
