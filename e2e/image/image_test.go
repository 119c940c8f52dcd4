// Package image builds the image of the sandbox and that of the shop beside it, and runs
// both as compose.yaml says, in the host's network.
package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

// compose is what compose.yaml says, read by the library that docker compose reads it with.
func compose(t *testing.T) *types.Project {
	opts, err := cli.NewProjectOptions([]string{filepath.Join(root, "compose.yaml")}, cli.WithWorkingDirectory(root), cli.WithName("ksher"))
	require.NoError(t, err)
	project, err := opts.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func TestCompose(t *testing.T) {
	project := compose(t)
	require.ElementsMatch(t, []string{"sandbox", "shop"}, project.ServiceNames())
	for name, service := range project.Services {
		dockerfile := filepath.Join(service.Build.Context, service.Build.Dockerfile)
		assert.FileExists(t, dockerfile)
		for _, port := range service.Ports {
			assert.Equal(t, "127.0.0.1", port.HostIP, "%s is open to others", name)
		}
	}
}

// buildah runs the program that builds and runs images without a daemon.
func buildah(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("buildah", append([]string{"--storage-driver", "vfs"}, args...)...)
	var text strings.Builder
	cmd.Stderr = &text
	out, err := cmd.Output()
	require.NoError(t, err, "buildah %v: %s", args, &text)
	return strings.TrimSpace(string(out))
}

// image builds a service's image of the programs in a folder, and returns a container.
func image(t *testing.T, dir, name string, service types.ServiceConfig) string {
	t.Helper()
	dockerfile, err := os.ReadFile(filepath.Join(service.Build.Context, service.Build.Dockerfile))
	require.NoError(t, err)
	file := filepath.Join(dir, "Dockerfile."+name)
	require.NoError(t, os.WriteFile(file, dockerfile, 0o644))
	tag := fmt.Sprintf("ksher-e2e-%s-%d", name, os.Getpid())
	buildah(t, "bud", "--format", "docker", "--isolation", "chroot", "-t", tag, "-f", file, dir)
	t.Cleanup(func() { buildah(t, "rmi", "-f", tag) })
	container := buildah(t, "from", "--pull-never", tag)
	t.Cleanup(func() { buildah(t, "rm", container) })
	return container
}

// config is the part of an image's description that is looked at.
type config struct {
	User                 string
	Env, Entrypoint, Cmd []string
	Healthcheck          struct{ Test []string }
	ExposedPorts         map[string]any
}

func inspect(t *testing.T, container string) config {
	var said struct {
		Docker struct{ Config config } `json:"Docker"`
	}
	require.NoError(t, json.Unmarshal([]byte(buildah(t, "inspect", container)), &said))
	return said.Docker.Config
}

// environment is a service's in compose.yaml, with addresses that are good here, and one more
// variable.
func environment(service types.ServiceConfig, here *strings.Replacer, name, value string) map[string]string {
	env := map[string]string{name: value}
	for name, value := range service.Environment {
		env[name] = here.Replace(*value)
	}
	return env
}

// start runs an image's program with its environment and those variables, until the test ends.
func start(t *testing.T, container string, c config, env map[string]string) {
	args := []string{"--storage-driver", "vfs", "run", "--isolation", "chroot"}
	for name, value := range env {
		args = append(args, "--env", name+"="+value)
	}
	args = append(append(append(args, container, "--"), c.Entrypoint...), c.Cmd...)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "buildah", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	log := filepath.Join(t.TempDir(), "log")
	out, err := os.Create(log)
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
		out.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("%s: %s", container, text)
		}
	})
}

// takePort returns a port that nobody listens on and no other run has taken, as
// databases.sh does. It is below those that the system gives to connections by itself.
func takePort(t *testing.T) string {
	for port := 28000; port < 29000; port++ {
		lock, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("ksher-port-%d.lock", port)), os.O_CREATE|os.O_RDWR, 0o600)
		require.NoError(t, err)
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			if l, err := net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
				t.Cleanup(func() { lock.Close() })
				require.NoError(t, l.Close())
				return strconv.Itoa(port)
			}
		}
		lock.Close()
	}
	t.Fatal("all ports are taken")
	return ""
}

func get(t require.TestingT, method, address string) string {
	req, err := http.NewRequest(method, address, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", address, body)
	return strings.TrimSpace(string(body))
}

// A payment by way of both images is handed out once, and what is looked at from outside
// is as the Dockerfile promises.
func TestImage(t *testing.T) {
	if os.Getenv("KSHER_E2E") == "" {
		t.Skip("KSHER_E2E isn't set")
	}
	project := compose(t)
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "build")+"/", "./cmd/ksher", "./examples/webshop")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	text, err := build.CombinedOutput()
	require.NoError(t, err, "%s", text)

	sandbox := image(t, dir, "sandbox", project.Services["sandbox"])
	c := inspect(t, sandbox)
	assert.Equal(t, "65534:65534", c.User)
	assert.Equal(t, []string{"CMD", "/ksher", "health"}, c.Healthcheck.Test)
	assert.Contains(t, c.ExposedPorts, "8765/tcp")
	shop := image(t, dir, "shop", project.Services["shop"])
	assert.Equal(t, "65534:65534", inspect(t, shop).User)

	gatewayPort, shopPort := takePort(t), takePort(t)
	gateway, shopURL := "http://127.0.0.1:"+gatewayPort, "http://127.0.0.1:"+shopPort
	listen := "0.0.0.0:" + gatewayPort
	here := strings.NewReplacer("//sandbox:8765", "//127.0.0.1:"+gatewayPort, "//shop:3000", "//127.0.0.1:"+shopPort, ":8765", ":"+gatewayPort, ":3000", ":"+shopPort)
	start(t, sandbox, c, environment(project.Services["sandbox"], here, "KSHER_SANDBOX_LISTEN", listen))
	require.EventuallyWithT(t, func(t *assert.CollectT) { assert.Equal(t, "ok", get(t, "GET", gateway+"/healthz")) }, 30*time.Second, 100*time.Millisecond)
	health := append([]string{"run", "--isolation", "chroot", "--env", "KSHER_SANDBOX_LISTEN=" + listen, sandbox, "--"}, c.Healthcheck.Test[1:]...)
	assert.Equal(t, "ok", buildah(t, health...))

	start(t, shop, inspect(t, shop), environment(project.Services["shop"], here, "SHOP_LISTEN", "0.0.0.0:"+shopPort))
	require.EventuallyWithT(t, func(t *assert.CollectT) { get(t, "GET", shopURL+"/") }, 30*time.Second, 100*time.Millisecond)
	no := get(t, "POST", shopURL+"/buy?print")
	assert.Equal(t, "0", get(t, "GET", shopURL+"/orders/"+no))
	said := get(t, "GET", gateway+"/control/orders/"+no)
	assert.Contains(t, said, "http://localhost:"+gatewayPort+"/ua?", "the buyer's address is the public one")
	get(t, "POST", gateway+"/control/orders/"+url.PathEscape(no)+"/pay")
	require.EventuallyWithT(t, func(t *assert.CollectT) { assert.Equal(t, "1", get(t, "GET", shopURL+"/orders/"+no)) }, 30*time.Second, 100*time.Millisecond)

	req, err := http.NewRequest("GET", gateway+"/control/orders/"+no, nil)
	require.NoError(t, err)
	req.Host = "sandbox:" + gatewayPort // As a test in another container asks.
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}
