{{/* What a schema cannot say: each check fails with one sentence. */}}

{{- define "palimpsest.checks" -}}
{{- include "palimpsest.checkCluster" . -}}
{{- include "palimpsest.checkClaims" . -}}
{{- include "palimpsest.checkGpu" (dict "name" .Values.gpu.resourceName "key" "gpu.resourceName") -}}
{{- range $family, $over := .Values.families -}}
  {{- with (default dict $over).gpuResourceName -}}
    {{- include "palimpsest.checkGpu" (dict "name" . "key" (printf "families.%s.gpuResourceName" $family)) -}}
  {{- end -}}
{{- end -}}
{{- range $profile, $_ := .Values.config -}}
  {{- $profiles := include "palimpsest.profiles" $ | fromJsonArray -}}
  {{- if not (has $profile $profiles) -}}
    {{- fail (printf "config.%s: no such profile is installed: they are %s" $profile (join ", " $profiles)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Only where there is a cluster to ask: the account `default` is in every namespace. */}}
{{- define "palimpsest.checkCluster" -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "default" -}}
{{- if not (.Capabilities.APIVersions.Has "argoproj.io/v1alpha1/WorkflowTemplate") -}}
{{- fail "this cluster has no WorkflowTemplate: install Argo Workflows 3.7 or newer with its CRDs first" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "palimpsest.checkClaims" -}}
{{- range $name := list "data" "models" -}}
  {{- $claim := get $.Values.storage $name -}}
  {{- $key := printf "storage.%s.accessModes" $name -}}
  {{- $modes := $claim.accessModes -}}
  {{- if $claim.existingClaim -}}
    {{- $key = printf "storage.%s.existingClaim %s" $name $claim.existingClaim -}}
    {{- $found := lookup "v1" "PersistentVolumeClaim" $.Release.Namespace $claim.existingClaim -}}
    {{- $modes = ternary (dig "spec" "accessModes" list $found) (list "ReadWriteMany") (not (empty $found)) -}}
  {{- end -}}
  {{- if not (or (has "ReadWriteMany" $modes) $.Values.storage.singleNode) -}}
    {{- fail (printf "%s: it lacks ReadWriteMany, but pods on many nodes use this claim: choose a storage class that has it, or set storage.singleNode to keep all pods on one node" $key) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "palimpsest.checkGpu" -}}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$" .name) -}}
{{- fail (printf "%s: %s is not the name of an extended resource: give a domain and a name, such as nvidia.com/gpu" .key .name) -}}
{{- end -}}
{{- end -}}

{{/* Families that an override names must paint in one of the .workflows. */}}
{{- define "palimpsest.checkFamilies" -}}
{{- $known := list -}}
{{- range .workflows -}}
  {{- range .spec.templates -}}
    {{- $family := get (default dict (default dict .metadata).labels) "palimpsest.io/family" -}}
    {{- if $family -}}{{- $known = append $known $family -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- range $family, $_ := .root.Values.families -}}
  {{- if not (has $family $known) -}}
    {{- fail (printf "families.%s: no installed profile has this family: they have %s" $family (join ", " ($known | uniq | sortAlpha))) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
