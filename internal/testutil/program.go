package testutil

import (
	"fmt"
	"net/netip"
	"os/exec"
)

// FindProgram returns the path of a program, also of one that only root has in its path.
func FindProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return exec.LookPath("/usr/sbin/" + name)
	}
	return path, nil
}

// NginxConfig tells nginx to keep its files in a folder, and to answer with one line there.
func NginxConfig(dir string, at netip.AddrPort) string {
	return fmt.Sprintf(nginxConfig, dir, at)
}

const nginxConfig = `daemon off; master_process off; error_log stderr; pid %[1]s/pid;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c;
	uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server { listen %[2]s; location / { return 200 "well\n"; } }
}
`
