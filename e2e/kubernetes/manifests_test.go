// SPDX-License-Identifier: Apache-2.0

// Package kubernetes tests the manifests in deploy/kubernetes. tools/validate.sh
// runs it with the paths of the built collectors; without them, no test runs.
package kubernetes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// manifestsDir is the directory of the manifests.
const manifestsDir = "../../deploy/kubernetes"

var (
	// collector is the path of the built collector.
	collector string
	// withElector is the path of the one that has the extension k8s_leader_elector.
	withElector string
)

func TestMain(m *testing.M) {
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the built collector")
	flag.StringVar(&withElector, "e2e.kubernetes", "", "absolute path of the collector for Kubernetes")
	flag.Parse()
	if collector == "" || withElector == "" {
		fmt.Println("kubernetes: give -e2e.collector and -e2e.kubernetes (make validate)")
		return
	}
	os.Exit(m.Run())
}

const (
	one      = "collector.yaml"
	standby  = "standby.yaml"
	secret   = "client-secret.yaml"
	identity = "workload-identity.yaml"
)

// inEachWay runs a test with each pair of files that can be applied together.
func inEachWay(t *testing.T, test func(t *testing.T, m *manifests)) {
	t.Helper()
	for _, file := range []string{one, standby} {
		for _, variant := range []string{secret, identity} {
			t.Run(file+" "+variant, func(t *testing.T) { test(t, read(t, file, variant)) })
		}
	}
}

// manifests are the objects that are applied together, by name.
type manifests struct {
	file, variant string

	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
	accounts   map[string]*corev1.ServiceAccount
	claims     map[string]*corev1.PersistentVolumeClaim
	services   map[string]*corev1.Service
	roles      map[string]*rbacv1.Role
	bindings   map[string]*rbacv1.RoleBinding
	budgets    map[string]*policyv1.PodDisruptionBudget

	deployment  *appsv1.Deployment  // of collector.yaml
	statefulSet *appsv1.StatefulSet // of standby.yaml
	template    corev1.PodTemplateSpec
	selector    *metav1.LabelSelector
}

// read decodes each document into its Kubernetes type. Unknown and duplicate
// fields are errors.
func read(t *testing.T, file, variant string) *manifests {
	t.Helper()
	m := &manifests{
		file: file, variant: variant,
		configMaps: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{},
		accounts: map[string]*corev1.ServiceAccount{}, claims: map[string]*corev1.PersistentVolumeClaim{},
		services: map[string]*corev1.Service{}, roles: map[string]*rbacv1.Role{}, bindings: map[string]*rbacv1.RoleBinding{},
		budgets: map[string]*policyv1.PodDisruptionBudget{},
	}
	for _, file := range []string{file, variant} {
		text, err := os.ReadFile(filepath.Join(manifestsDir, file))
		require.NoError(t, err)
		documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			m.add(t, document)
		}
	}
	return m
}

func (m *manifests) add(t *testing.T, document []byte) {
	t.Helper()
	var meta metav1.TypeMeta
	require.NoError(t, yaml.Unmarshal(document, &meta))
	switch meta.APIVersion + " " + meta.Kind {
	case "v1 ConfigMap":
		store(t, m.configMaps, new(corev1.ConfigMap), document)
	case "v1 Secret":
		store(t, m.secrets, new(corev1.Secret), document)
	case "v1 ServiceAccount":
		store(t, m.accounts, new(corev1.ServiceAccount), document)
	case "v1 PersistentVolumeClaim":
		store(t, m.claims, new(corev1.PersistentVolumeClaim), document)
	case "v1 Service":
		store(t, m.services, new(corev1.Service), document)
	case "rbac.authorization.k8s.io/v1 Role":
		store(t, m.roles, new(rbacv1.Role), document)
	case "rbac.authorization.k8s.io/v1 RoleBinding":
		store(t, m.bindings, new(rbacv1.RoleBinding), document)
	case "policy/v1 PodDisruptionBudget":
		store(t, m.budgets, new(policyv1.PodDisruptionBudget), document)
	case "apps/v1 Deployment":
		require.Nil(t, m.selector, "one workload")
		m.deployment = new(appsv1.Deployment)
		require.NoError(t, yaml.UnmarshalStrict(document, m.deployment))
		m.template, m.selector = m.deployment.Spec.Template, m.deployment.Spec.Selector
	case "apps/v1 StatefulSet":
		require.Nil(t, m.selector, "one workload")
		m.statefulSet = new(appsv1.StatefulSet)
		require.NoError(t, yaml.UnmarshalStrict(document, m.statefulSet))
		m.template, m.selector = m.statefulSet.Spec.Template, m.statefulSet.Spec.Selector
	default:
		require.Fail(t, "unexpected kind", "%s", document)
	}
}

// store decodes an object and stores it under its name, which must be unique.
func store[T metav1.Object](t *testing.T, all map[string]T, object T, document []byte) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalStrict(document, object))
	require.NotContains(t, all, object.GetName())
	require.NotEmpty(t, object.GetName())
	all[object.GetName()] = object
}

func TestOnePodAtATime(t *testing.T) {
	m := read(t, one, secret)
	require.EqualValues(t, 1, *m.deployment.Spec.Replicas)
	require.Equal(t, appsv1.RecreateDeploymentStrategyType, m.deployment.Spec.Strategy.Type)
	require.False(t, *m.template.Spec.AutomountServiceAccountToken)
	require.Len(t, m.claims, 1)
	for _, claim := range m.claims {
		require.Equal(t, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}, claim.Spec.AccessModes)
	}
	require.Empty(t, m.roles)
}

func TestStandbyIsOnAnotherNodeWithAVolumeOfItsOwn(t *testing.T) {
	m := read(t, standby, secret)
	spec := m.statefulSet.Spec
	require.EqualValues(t, 2, *spec.Replicas)
	require.Equal(t, appsv1.ParallelPodManagement, spec.PodManagementPolicy)
	require.Contains(t, m.services, spec.ServiceName)
	require.Empty(t, m.claims)
	require.Len(t, spec.VolumeClaimTemplates, 1)
	require.Equal(t, read(t, one, secret).claims["otelcol-defender"].Spec, spec.VolumeClaimTemplates[0].Spec)

	constraint := m.template.Spec.TopologySpreadConstraints[0]
	require.Equal(t, corev1.LabelHostname, constraint.TopologyKey)
	require.Equal(t, corev1.DoNotSchedule, constraint.WhenUnsatisfiable)
	for _, constraint := range m.template.Spec.TopologySpreadConstraints {
		require.Equal(t, m.selector, constraint.LabelSelector)
	}
	require.Len(t, m.budgets, 1)
	budget := m.budgets["otelcol-defender"].Spec
	require.Equal(t, m.selector, budget.Selector)
	require.Equal(t, 1, budget.MinAvailable.IntValue())
}

// What client-go's leader election does with a Lease: get, create, update.
func TestStandbyMayUseItsLeaseAndNothingElse(t *testing.T) {
	for _, variant := range []string{secret, identity} {
		m := read(t, standby, variant)
		require.True(t, *m.template.Spec.AutomountServiceAccountToken)
		var elector struct {
			AuthType       string `json:"auth_type"`
			LeaseName      string `json:"lease_name"`
			LeaseNamespace string `json:"lease_namespace"`
			RetryPeriod    string `json:"retry_period"`
		}
		config := m.config(t)
		id, ok := config["receivers"]["defender_incidents"].(map[string]any)["k8s_leader_elector"].(string)
		require.True(t, ok)
		text, err := yaml.Marshal(config["extensions"][id])
		require.NoError(t, err)
		require.NoError(t, yaml.UnmarshalStrict(text, &elector))
		require.Equal(t, "serviceAccount", elector.AuthType)
		require.Equal(t, "${env:POD_NAMESPACE}", elector.LeaseNamespace)
		retry, err := time.ParseDuration(elector.RetryPeriod)
		require.NoError(t, err)
		// client-go looks at the lease after 1 to 2.2 retry periods, and a takeover takes
		// up to two looks more than the lease lasts.
		require.LessOrEqual(t, 4.4*retry.Seconds(), 5.0)
		require.Contains(t, m.template.Spec.Containers[0].Env, corev1.EnvVar{
			Name: "POD_NAMESPACE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}},
		})

		require.Len(t, m.bindings, 1)
		require.Len(t, m.roles, 1)
		binding := m.bindings["otelcol-defender"]
		require.Equal(t, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "otelcol-defender"}, binding.RoleRef)
		// Kubernetes refuses a subject without its namespace.
		require.Equal(t, []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: m.template.Spec.ServiceAccountName, Namespace: "defender"}}, binding.Subjects)
		require.Equal(t, []rbacv1.PolicyRule{
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{elector.LeaseName}, Verbs: []string{"get", "update"}},
		}, m.roles["otelcol-defender"].Rules)
	}
}

// One of the two files is applied, so what they have in common stands in both.
func TestStandbyIsOtherwiseTheSameAsOneCollector(t *testing.T) {
	want, got := read(t, one, secret), read(t, standby, secret)
	require.Equal(t, want.configMaps["otelcol-defender-ids"], got.configMaps["otelcol-defender-ids"])
	require.Equal(t, want.services, got.services)

	config := got.config(t)
	delete(config["extensions"], "k8s_leader_elector")
	delete(config["receivers"]["defender_incidents"].(map[string]any), "k8s_leader_elector")
	config["service"]["extensions"] = without(config["service"]["extensions"].([]any), "k8s_leader_elector")
	require.Equal(t, want.config(t), config)

	require.Equal(t, want.selector, got.selector)
	pod, c := &got.template.Spec, &got.template.Spec.Containers[0]
	pod.AutomountServiceAccountToken, pod.TopologySpreadConstraints = want.template.Spec.AutomountServiceAccountToken, nil
	c.Image, c.Env = want.template.Spec.Containers[0].Image, slices.DeleteFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "POD_NAMESPACE" })
	claimed := corev1.Volume{Name: got.statefulSet.Spec.VolumeClaimTemplates[0].Name}
	claimed.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "otelcol-defender"}
	pod.Volumes = append([]corev1.Volume{claimed}, pod.Volumes...)
	require.Equal(t, want.template, got.template)
}

func without(list []any, value string) []any {
	return slices.DeleteFunc(list, func(v any) bool { return v == value })
}

func TestPodRunsWithoutPrivileges(t *testing.T) {
	inEachWay(t, func(t *testing.T, m *manifests) {
		pod := m.template.Spec
		require.Subset(t, m.template.Labels, m.selector.MatchLabels)
		require.Len(t, pod.Containers, 1)
		c := pod.Containers[0]
		require.True(t, *pod.SecurityContext.RunAsNonRoot)
		require.NotZero(t, *pod.SecurityContext.RunAsUser)
		require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
		require.Nil(t, c.SecurityContext.RunAsUser, "the pod's settings apply")
		require.Nil(t, c.SecurityContext.SeccompProfile, "the pod's settings apply")
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
		require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
		require.False(t, c.Resources.Limits.Memory().IsZero())
		require.False(t, c.Resources.Requests.Memory().IsZero())
		require.Equal(t, "/health", c.ReadinessProbe.HTTPGet.Path)
		require.NotNil(t, c.LivenessProbe.TCPSocket, "a restart does not fix what the health check reports")
	})
}

func TestEverythingThePodRefersToExists(t *testing.T) {
	inEachWay(t, func(t *testing.T, m *manifests) {
		pod := m.template.Spec
		require.Contains(t, m.accounts, pod.ServiceAccountName)
		volumes := map[string]bool{}
		for _, v := range pod.Volumes {
			volumes[v.Name] = true
			switch {
			case v.ConfigMap != nil:
				require.Contains(t, m.configMaps, v.ConfigMap.Name)
			case v.PersistentVolumeClaim != nil:
				require.Contains(t, m.claims, v.PersistentVolumeClaim.ClaimName)
			default:
				require.Fail(t, "unexpected kind of volume", v.Name)
			}
		}
		if m.statefulSet != nil {
			for _, claim := range m.statefulSet.Spec.VolumeClaimTemplates {
				volumes[claim.Name] = true
			}
		}
		c := pod.Containers[0]
		ports := map[string]int32{}
		for _, p := range c.Ports {
			ports[p.Name] = p.ContainerPort
		}
		require.EqualValues(t, 13133, ports[c.ReadinessProbe.HTTPGet.Port.StrVal])
		require.EqualValues(t, 13133, ports[c.LivenessProbe.TCPSocket.Port.StrVal])
		for _, mount := range c.VolumeMounts {
			require.True(t, volumes[mount.Name], mount.Name)
			require.Empty(t, mount.SubPath, "a subPath is never updated")
		}
		if m.variant == secret {
			require.Contains(t, m.secrets, c.EnvFrom[0].SecretRef.Name)
		} else {
			require.Equal(t, "true", m.template.Labels["azure.workload.identity/use"])
			require.Contains(t, m.accounts[pod.ServiceAccountName].Annotations, "azure.workload.identity/client-id")
		}
	})
}

func TestCollectorAcceptsTheConfiguration(t *testing.T) {
	inEachWay(t, func(t *testing.T, m *manifests) {
		c := m.template.Spec.Containers[0]
		folder := t.TempDir()
		m.mount(t, folder)

		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		args := []string{"validate"}
		for _, arg := range c.Args {
			args = append(args, strings.ReplaceAll(arg, "=/", "="+folder+"/"))
		}
		program := collector
		if m.file == standby {
			program = withElector
		}
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = m.environment(t)
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", output)

		config := m.config(t)
		file, _ := config["receivers"]["defender_incidents"].(map[string]any)["incident_ids_file"].(string)
		require.FileExists(t, filepath.Join(folder, file))
		require.Equal(t, config["extensions"]["file_storage"].(map[string]any)["directory"], c.VolumeMounts[0].MountPath)
	})
}

func TestPodRunsTheImageOfThisVersionAsItsUser(t *testing.T) {
	for file, distribution := range map[string]string{one: "otelcol-defender", standby: "otelcol-defender-kubernetes"} {
		pod := read(t, file, secret).template.Spec
		var manifest struct {
			Dist struct{ Version string }
		}
		text, err := os.ReadFile("../../builder-config.yaml")
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(text, &manifest))
		repository, tag, found := strings.Cut(pod.Containers[0].Image, ":")
		require.True(t, found)
		require.Equal(t, manifest.Dist.Version, tag)
		registry, name := path.Split(repository)
		require.Equal(t, distribution, name)
		text, err = os.ReadFile("../../tools/image.sh")
		require.NoError(t, err)
		require.Contains(t, string(text), "${IMAGE:-"+registry+"$distribution:$version}", "the name that make image gives it")

		text, err = os.ReadFile("../../Dockerfile")
		require.NoError(t, err)
		require.Contains(t, string(text), fmt.Sprintf("\nUSER %d:%d\n", *pod.SecurityContext.RunAsUser, *pod.SecurityContext.RunAsGroup))
		require.Contains(t, string(text), fmt.Sprintf("--chown=%d:%d ", *pod.SecurityContext.RunAsUser, *pod.SecurityContext.FSGroup))
		require.Contains(t, string(text), " "+pod.Containers[0].VolumeMounts[0].MountPath+"\n", "the directory of the storage")
		require.Empty(t, pod.Containers[0].Command, "the image's entry point")
	}
}

func TestPrometheusFindsTheMetrics(t *testing.T) {
	m := read(t, one, secret) // the other is the same
	template := m.template
	var config struct {
		Service struct {
			Telemetry struct {
				Metrics struct {
					Readers []struct {
						Pull struct {
							Exporter struct {
								Prometheus struct {
									Host string `json:"host"`
									Port int32  `json:"port"`
								} `json:"prometheus"`
							} `json:"exporter"`
						} `json:"pull"`
					} `json:"readers"`
				} `json:"metrics"`
			} `json:"telemetry"`
		} `json:"service"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(m.configMaps["otelcol-defender-config"].Data["collector.yaml"]), &config))
	require.Len(t, config.Service.Telemetry.Metrics.Readers, 1)
	listens := config.Service.Telemetry.Metrics.Readers[0].Pull.Exporter.Prometheus
	require.Equal(t, "0.0.0.0", listens.Host, "not only within the pod")
	require.Equal(t, map[string]string{
		"prometheus.io/scrape": "true", "prometheus.io/port": strconv.Itoa(int(listens.Port)), "prometheus.io/path": "/metrics",
	}, template.Annotations)

	require.Len(t, m.services, 1)
	service := m.services["otelcol-defender-metrics"]
	require.Subset(t, template.Labels, service.Spec.Selector)
	require.NotEmpty(t, service.Spec.Selector)
	require.Empty(t, service.Annotations, "annotations here too would have the pod scraped twice")
	require.True(t, service.Spec.PublishNotReadyAddresses)
	require.Len(t, service.Spec.Ports, 1)
	require.Equal(t, listens.Port, service.Spec.Ports[0].Port)
	require.Contains(t, template.Spec.Containers[0].Ports, corev1.ContainerPort{Name: service.Spec.Ports[0].TargetPort.StrVal, ContainerPort: listens.Port})
}

// mount writes the files of the config maps below a folder, at the paths they
// have in the pod.
func (m *manifests) mount(t *testing.T, folder string) {
	t.Helper()
	pod := m.template.Spec
	for _, mount := range pod.Containers[0].VolumeMounts {
		dir := filepath.Join(folder, mount.MountPath)
		require.NoError(t, os.MkdirAll(dir, 0o750))
		for _, v := range pod.Volumes {
			if v.Name != mount.Name || v.ConfigMap == nil {
				continue
			}
			for name, text := range m.configMaps[v.ConfigMap.Name].Data {
				// Validation checks that directories exist, so they have to be below the folder.
				text = strings.ReplaceAll(text, "directory: /", "directory: "+path.Clean(folder)+"/")
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
			}
		}
	}
}

// config returns the collector's configuration without what the other file adds.
func (m *manifests) config(t *testing.T) map[string]map[string]any {
	t.Helper()
	var config map[string]map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(m.configMaps["otelcol-defender-config"].Data["collector.yaml"]), &config))
	return config
}

// environment returns the environment variables of the container, with those that
// the cluster sets.
func (m *manifests) environment(t *testing.T) []string {
	t.Helper()
	var env []string
	if m.variant == identity {
		env = append(env, "AZURE_TENANT_ID=11111111-2222-3333-4444-555555555555", "AZURE_CLIENT_ID=66666666-7777-8888-9999-000000000000",
			"AZURE_FEDERATED_TOKEN_FILE=/var/run/secrets/azure/tokens/azure-identity-token")
	}
	c := m.template.Spec.Containers[0]
	for _, e := range c.Env {
		if e.ValueFrom != nil {
			require.Equal(t, "metadata.namespace", e.ValueFrom.FieldRef.FieldPath)
			e.Value = "defender"
		}
		env = append(env, e.Name+"="+e.Value)
	}
	for _, from := range c.EnvFrom {
		secret, found := m.secrets[from.SecretRef.Name]
		require.True(t, found || *from.SecretRef.Optional)
		if found {
			for name, value := range secret.StringData {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}
