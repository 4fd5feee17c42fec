{{/* A site's settings laid over a rendered WorkflowTemplate. Each changes the object it is given in place. */}}

{{/* The whole of .workflow, which is the profile .profile. */}}
{{- define "palimpsest.workflow" -}}
{{- $root := .root -}}
{{- $spec := .workflow.spec -}}
{{- $_ := set .workflow.metadata "name" (printf "%s-%s" (include "palimpsest.fullname" $root) .profile) -}}
{{- $_ = set .workflow.metadata "labels" (merge (include "palimpsest.labels" $root | fromYaml) (default dict .workflow.metadata.labels)) -}}
{{- $_ = set $spec "executor" (dict "serviceAccountName" (include "palimpsest.executor" $root)) -}}
{{- include "palimpsest.everyPod" (dict "root" $root "spec" $spec "priority" "podPriorityClassName") -}}
{{- include "palimpsest.scheduling" (dict "root" $root "spec" $spec "gpu" false "family" dict) -}}
{{- include "palimpsest.volumes" (dict "root" $root "volumes" $spec.volumes "profile" .profile) -}}
{{- include "palimpsest.podMetadata" (dict "root" $root "holder" $spec "key" "podMetadata") -}}
{{- $about := default dict $spec.workflowMetadata -}}
{{- $_ = set $about "labels" (merge (include "palimpsest.selector" $root | fromYaml) (default dict $about.labels)) -}}
{{- $_ = set $spec "workflowMetadata" $about -}}
{{- include "palimpsest.limits" (dict "root" $root "spec" $spec) -}}
{{- include "palimpsest.parameters" . -}}
{{- range $spec.templates -}}
  {{- include "palimpsest.template" (dict "root" $root "template" . "profile" $.profile) -}}
{{- end -}}
{{- end -}}

{{/* Labels and annotations of pods, in .key of .holder. */}}
{{- define "palimpsest.podMetadata" -}}
{{- $pods := .root.Values.pods -}}
{{- $found := default dict (get .holder .key) -}}
{{- $labels := merge (include "palimpsest.selector" .root | fromYaml) (default dict $found.labels) $pods.labels -}}
{{- $_ := set $found "labels" $labels -}}
{{- $annotations := merge (default dict $found.annotations) $pods.annotations (include "palimpsest.scraped" .root | fromYaml) -}}
{{- if $annotations -}}{{- $_ := set $found "annotations" $annotations -}}{{- end -}}
{{- $_ = set .holder .key $found -}}
{{- end -}}

{{- define "palimpsest.limits" -}}
{{- $workflow := .root.Values.workflow -}}
{{- with $workflow.parallelism -}}{{- $_ := set $.spec "parallelism" . -}}{{- end -}}
{{- with $workflow.activeDeadlineSeconds -}}{{- $_ := set $.spec "activeDeadlineSeconds" . -}}{{- end -}}
{{- with $workflow.ttlSeconds -}}{{- $_ := set $.spec "ttlStrategy" (dict "secondsAfterCompletion" .) -}}{{- end -}}
{{- end -}}

{{/* Defaults of workflow parameters; one that the profile does not have is a mistake. */}}
{{- define "palimpsest.parameters" -}}
{{- $known := list -}}
{{- range .workflow.spec.arguments.parameters -}}
  {{- $known = append $known .name -}}
  {{- if hasKey $.root.Values.workflow.parameters .name -}}
    {{- $_ := set . "value" (include "palimpsest.text" (get $.root.Values.workflow.parameters .name)) -}}
  {{- end -}}
{{- end -}}
{{- range $name, $_ := .root.Values.workflow.parameters -}}
  {{- if not (has $name $known) -}}
    {{- fail (printf "workflow.parameters.%s is not a parameter of the profile %s: known are %s" $name $.profile (join ", " $known)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* One .template of a workflow: a pod, or a `resource` whose manifest is a Job. */}}
{{- define "palimpsest.template" -}}
{{- $template := .template -}}
{{- $values := .root.Values -}}
{{- $labels := default dict (default dict $template.metadata).labels -}}
{{- $family := default dict (get $values.families (default "" (get $labels "palimpsest.io/family"))) -}}
{{- if $template.container -}}
  {{- $gpu := not (empty (include "palimpsest.usesGpu" (dict "containers" (list $template.container)))) -}}
  {{- include "palimpsest.container" (dict "root" .root "container" $template.container "family" $family) -}}
  {{- if or $gpu $family -}}
    {{- include "palimpsest.scheduling" (dict "root" .root "spec" $template "gpu" $gpu "family" $family) -}}
  {{- end -}}
  {{- include "palimpsest.queue" (dict "root" .root "labels" $labels) -}}
  {{- if and $values.metrics.scrapeAnnotations (not $template.container.ports) -}}
    {{- $about := default dict $template.metadata.annotations -}}
    {{- $_ := set $template.metadata "annotations" (set $about "prometheus.io/scrape" "false") -}}
  {{- end -}}
  {{- if hasPrefix "fetch-" $template.name -}}
    {{- include "palimpsest.hub" (dict "root" .root "container" $template.container) -}}
  {{- end -}}
  {{- with $values.workflow.podDeadlineSeconds -}}{{- $_ := set $template "activeDeadlineSeconds" . -}}{{- end -}}
{{- else if $template.resource -}}
  {{- $job := $template.resource.manifest | fromYaml -}}
  {{- if hasKey $job "Error" -}}{{- fail (printf "%s: its manifest: %s" $template.name $job.Error) -}}{{- end -}}
  {{- include "palimpsest.job" (dict "root" .root "job" $job "profile" .profile "family" $family) -}}
  {{- $_ := set $template.resource "manifest" (toYaml $job) -}}
{{- end -}}
{{- if and $values.storage.singleNode $template.retryStrategy -}}
  {{- $_ := unset $template.retryStrategy "affinity" -}}{{/* there is no other node */}}
{{- end -}}
{{- end -}}

{{/* The .job of a training: the same as for other pods, and the name of the Service in which its pods meet. */}}
{{- define "palimpsest.job" -}}
{{- $service := printf "%s-ddp" (include "palimpsest.fullname" .root) -}}
{{- $spec := .job.spec.template.spec -}}
{{- $gpu := not (empty (include "palimpsest.usesGpu" (dict "containers" $spec.containers))) -}}
{{- $_ := set $spec "subdomain" $service -}}
{{- range $container := $spec.containers -}}
  {{- include "palimpsest.container" (dict "root" $.root "container" $container "family" $.family) -}}
  {{- range $container.env -}}
    {{- if eq .name "MASTER_ADDR" -}}{{- $_ := set . "value" (printf "$(JOB_NAME)-0.%s" $service) -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- include "palimpsest.everyPod" (dict "root" .root "spec" $spec "priority" "priorityClassName") -}}
{{- include "palimpsest.scheduling" (dict "root" .root "spec" $spec "gpu" $gpu "family" .family) -}}
{{- include "palimpsest.volumes" (dict "root" .root "volumes" $spec.volumes "profile" .profile) -}}
{{- include "palimpsest.podMetadata" (dict "root" .root "holder" .job.spec.template "key" "metadata") -}}
{{- include "palimpsest.podMetadata" (dict "root" .root "holder" .job "key" "metadata") -}}
{{- include "palimpsest.queue" (dict "root" .root "labels" .job.metadata.labels) -}}
{{- end -}}

{{/* Kueue's labels, on pods and on Jobs but not on the pods of Jobs. */}}
{{- define "palimpsest.queue" -}}
{{- with .root.Values.kueue -}}
{{- if .queueName -}}{{- $_ := set $.labels "kueue.x-k8s.io/queue-name" .queueName -}}{{- end -}}
{{- if .priorityClassName -}}{{- $_ := set $.labels "kueue.x-k8s.io/priority-class" .priorityClassName -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where the .container of a fetching pod finds weights. */}}
{{- define "palimpsest.hub" -}}
{{- $env := default list .container.env -}}
{{- if .root.Values.models.offline -}}{{- $env = append $env (dict "name" "HF_HUB_OFFLINE" "value" "1") -}}{{- end -}}
{{- with .root.Values.models.endpoint -}}{{- $env = append $env (dict "name" "HF_ENDPOINT" "value" .) -}}{{- end -}}
{{- range $name, $value := .root.Values.models.env -}}{{- $env = append $env (dict "name" $name "value" $value) -}}{{- end -}}
{{- if $env -}}{{- $_ := set .container "env" $env -}}{{- end -}}
{{- end -}}
