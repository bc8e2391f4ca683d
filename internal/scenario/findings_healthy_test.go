package scenario

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// healthy is how long the workloads of TestHealthy go on: three reports of the pools.
const healthy = 32 * time.Second

// A host that works is told nothing of, while tracing and in the recording, however busy
// it is. All workloads share a trace, each in a namespace of its own with few ports, so
// that the pools they keep are worth a look.
func TestHealthy(t *testing.T) {
	t.Parallel()
	workloads := []struct {
		name  string
		ports int
		needs []string
		run   func(*plot)
	}{
		{"keep-alive", 499, []string{"nginx", "wrk"}, keepAlive},
		{"pipelines", 199, []string{"redis-server", "redis-benchmark"}, pipelines},
		{"DNS", 997, nil, resolve},
		{"proxy", 499, []string{"nginx", "wrk"}, proxy},
		{"restart", 997, nil, restart},
		{"used again", 499, nil, usedAgain},
	}
	d := attachDiagnosed(t, withStates())
	plots := make([]*plot, len(workloads))
	for i, w := range workloads {
		plots[i] = newPlot(t, d, &seed{name: w.name, ports: w.ports})
	}
	d.begin()
	var all sync.WaitGroup
	for i, w := range workloads {
		all.Go(func() {
			t.Run(w.name, func(t *testing.T) {
				for _, program := range w.needs {
					needProgram(t, program)
				}
				plots[i].t = t
				w.run(plots[i])
				if n := len(d.tr.all(plots[i].in(lifetime.Assign))); n < crowd {
					t.Errorf("%d ports were assigned: there was no work", n)
				}
			})
		})
	}
	all.Wait()
	d.tr.stop()
	d.engine.Judge(0)
	reported := d.tr.reported()
	for _, p := range plots {
		if found := within(d.engine.Findings(), p.ns); len(found) > 0 {
			t.Errorf("%s:\n%s", p.name, tell(found))
		}
		if found := within(reported, p.ns); len(found) > 0 {
			t.Errorf("%s, in the recording:\n%s", p.name, tell(found))
		}
		for _, n := range d.fresh {
			if n.Pool.NetNS == p.ns.Inode {
				t.Errorf("%s, told and taken back: %s %s", p.name, n.ID, n.Title)
			}
		}
	}
}

// seconds is a duration as wrk wants it.
func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second)) + "s" }

// program runs a program of the namespace to its end.
func (p *plot) program(name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(needProgram(p.t, name), args...)
	var err error
	p.ns.Do(func() { err = cmd.Start() })
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		p.t.Errorf("%s: %v", name, err)
	}
}

// programFor runs one that knows no end for some time.
func (p *plot) programFor(d time.Duration, name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(needProgram(p.t, name), args...)
	var err error
	p.ns.Do(func() { err = cmd.Start() })
	if err != nil {
		p.t.Fatalf("starting %s: %v", name, err)
	}
	time.AfterFunc(d, func() { _ = cmd.Process.Kill() })
	began := time.Now()
	if err := cmd.Wait(); time.Since(began) < d {
		p.t.Errorf("%s ended by itself: %v", name, err)
	}
}

// daemon runs a program of the namespace until the end of the trace's test, and waits
// until it listens.
func (p *plot) daemon(port uint16, name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(needProgram(p.t, name), args...)
	cmd.Stderr = os.Stderr
	var err error
	p.ns.Do(func() { err = cmd.Start() })
	if err != nil {
		p.t.Fatalf("starting %s: %v", name, err)
	}
	p.rig.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	await(p.t, name+" listens", func() bool {
		for _, e := range p.ns.Table(p.t) {
			if e.Proto == event.TCP && e.Src.Port() == port && e.State == event.Listening {
				return true
			}
		}
		return false
	})
}

// nginx serves on a port, with more in its server block.
func (p *plot) nginx(port uint16, more string) {
	p.t.Helper()
	dir := p.rig.t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	text := testutil.NginxConfig(dir, netip.AddrPortFrom(p.addr, port))
	if more != "" {
		text = fmt.Sprintf(nginxProxy, dir, netip.AddrPortFrom(p.addr, port), more)
	}
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.daemon(port, "nginx", "-p", dir, "-c", config, "-e", "stderr")
}

// nginxProxy passes on to another server, over connections that it keeps.
const nginxProxy = `daemon off; master_process off; error_log stderr; pid %[1]s/pid;
events { worker_connections 2048; }
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c;
	uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	upstream back { server %[3]s; keepalive 128; keepalive_requests 1000000; }
	server { listen %[2]s; keepalive_requests 1000000; location / {
		proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection "";
	} }
}
`

// keepAlive keeps two fifths of its ports busy; the server closes a connection after a
// thousand requests, as nginx does by default.
func keepAlive(p *plot) {
	p.nginx(8080, "")
	p.program("wrk", "-t1", "-c199", "-d"+seconds(healthy), "http://127.0.0.1:8080/")
}

func pipelines(p *plot) {
	p.daemon(6379, "redis-server", "--port", "6379", "--save", "", "--bind", "127.0.0.1", "--dir", p.rig.t.TempDir(), "--logfile", "/dev/null")
	p.programFor(healthy, "redis-benchmark", "-p", "6379", "-P", "16", "-c", "61", "-n", "1000000000", "-t", "get", "-q")
}

// proxy is nginx between wrk and nginx.
func proxy(p *plot) {
	p.nginx(8080, "")
	p.nginx(8081, "127.0.0.1:8080")
	p.program("wrk", "-t1", "-c97", "-d"+seconds(healthy), "http://127.0.0.1:8081/")
}

// resolve asks and gets an answer, each time with a socket of its own.
func resolve(p *plot) {
	srv := udpSock(p.rig.t, p.ns, p.addr)
	srv.mustBind(p.at)
	for began := time.Now(); time.Since(began) < healthy; {
		var asked []*sock
		for range 29 {
			s := udpSock(p.rig.t, p.ns, p.addr)
			s.mustConnect(p.at)
			s.send("name?")
			asked = append(asked, s)
		}
		for _, s := range asked {
			buf := make([]byte, 64)
			_, from, err := unix.Recvfrom(srv.fd, buf, 0)
			if err == nil {
				err = unix.Sendto(srv.fd, []byte("address"), 0, from)
			}
			if err != nil {
				p.t.Errorf("answering: %v", err)
				return
			}
			s.awaitInput()
			s.close()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// restart is a service with some hundred connections that goes, and comes back with as
// many.
func restart(p *plot) {
	for began := time.Now(); time.Since(began) < healthy; {
		var conns []conn
		for range 307 {
			c := tcpSock(p.rig.t, p.ns, p.addr)
			c.mustConnect(p.at)
			conns = append(conns, conn{sock: c, peer: p.srv.accept()})
		}
		time.Sleep(7 * time.Second)
		for _, c := range conns {
			c.sock.resetOnClose() // as the kernel does where input is left unread
			c.sock.close()
			c.peer.close()
		}
	}
}

// usedAgain makes short connections where connect() takes ports over from TIME_WAIT: half
// of the ports are in it, and in nobody's way.
func usedAgain(p *plot) {
	p.ns.Sysctl(p.t, "ipv4/tcp_tw_reuse", "2")
	for began := time.Now(); time.Since(began) < healthy; time.Sleep(20 * time.Millisecond) {
		c := p.client()
		c.mustConnect(p.at)
		c.src, c.peer = c.local(), p.srv.accept()
		hangUp(c)
	}
}
