package kubernetes

import (
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// read reads a manifest as the API server does: a field that it does not know is an error, and so
// is one that stands twice.
func read(t *testing.T, text []byte) (d appsv1.DaemonSet, err error) {
	t.Helper()
	err = yaml.UnmarshalStrict(text, &d)
	return d, err
}

func TestTheManifestIsWhatKubernetesTakes(t *testing.T) {
	text, err := os.ReadFile("../../deploy/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := read(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if d.APIVersion != appsv1.SchemeGroupVersion.String() || d.Kind != "DaemonSet" {
		t.Errorf("it is a %s of %s", d.Kind, d.APIVersion)
	}
	if faults := validation.IsDNS1123Subdomain(d.Name); len(faults) > 0 {
		t.Errorf("name %q: %v", d.Name, faults)
	}
	pod := d.Spec.Template
	if !labels.SelectorFromSet(d.Spec.Selector.MatchLabels).Matches(labels.Set(pod.Labels)) {
		t.Error("the selector does not match its own Pods")
	}
	// What only fields say, and the API server checks beyond them.
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		mounts(t, c, pod.Spec.Volumes)
		for name, q := range c.Resources.Limits {
			if faults := validation.IsQualifiedName(string(name)); len(faults) > 0 {
				t.Errorf("%s: %v", name, faults)
			}
			if r, ok := c.Resources.Requests[name]; ok && r.Cmp(q) > 0 {
				t.Errorf("%s asks for more %s than its limit", c.Name, name)
			}
		}
		for _, p := range c.Ports {
			if faults := validation.IsValidPortName(p.Name); len(faults) > 0 || pod.Spec.HostNetwork && p.HostPort != p.ContainerPort {
				t.Errorf("port %s: %v", p.Name, faults)
			}
		}
	}
}

// mounts finds what is mounted and is no volume.
func mounts(t *testing.T, c corev1.Container, volumes []corev1.Volume) {
	t.Helper()
	there := map[string]bool{}
	for _, v := range volumes {
		there[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !there[m.Name] {
			t.Errorf("%s mounts %s, which is no volume", c.Name, m.Name)
		}
	}
}

// What makes RDMA work in it: the device, the locked memory, the namespace that has the GIDs.
func TestTheManifestHasWhatRDMANeeds(t *testing.T) {
	text, err := os.ReadFile("../../deploy/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := read(t, text)
	if err != nil {
		t.Fatal(err)
	}
	server, device := d.Spec.Template.Spec.Containers[0], false
	for name := range server.Resources.Limits {
		device = device || strings.HasPrefix(string(name), "rdma/")
	}
	capabilities := server.SecurityContext.Capabilities
	if !device || !d.Spec.Template.Spec.HostNetwork || len(capabilities.Add) != 1 || capabilities.Add[0] != "IPC_LOCK" {
		t.Errorf("device %v, host's network %v, capabilities %v", device, d.Spec.Template.Spec.HostNetwork, capabilities.Add)
	}
}

func TestMistakesInAManifestAreFound(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown field": "kind: DaemonSet\nspec: {hostnetwrok: true}",
		"a wrong type":     "kind: DaemonSet\nspec: {template: {spec: {hostNetwork: perhaps}}}",
		"a field twice":    "kind: DaemonSet\nkind: DaemonSet",
		"a bad quantity":   "spec: {template: {spec: {containers: [{resources: {limits: {memory: 6Gigs}}}]}}}",
	} {
		if _, err := read(t, []byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
