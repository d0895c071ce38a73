#!/usr/bin/env bash
# Example of a shell job: copy it, keep what you need. 示例 Shell 作业：复制后按需修改。
#
# Exit codes 退出码:
#   0  succeeded 成功
#   1  business failure: expected, never retried 业务失败：预期内，不重试
#   2  technical failure, and so is every other code: retried as the job says 技术失败（其他非零码相同）：按策略重试
set -euo pipefail

# What is echoed is the log. 打印的内容就是日志。
echo "Run ${PORTAL_RUN_ID:-local}, attempt ${PORTAL_ATTEMPT:-1}"

# A parameter of the run: PORTAL_PARAM_ and its name in capitals. 运行参数：PORTAL_PARAM_ 加大写名称。
folder="${PORTAL_PARAM_FOLDER:-.}"

if [ ! -d "$folder" ]; then
    echo "There is no folder $folder." >&2
    exit 1
fi

files="$(find "$folder" -maxdepth 1 -type f | wc -l | tr -d ' ')"
echo "$folder holds $files files."

# Outputs: name=value lines. 输出变量：name=value 行。
echo "files=$files" >> "${PORTAL_OUTPUT:-/dev/null}"

# When the portal ends the script (timeout, cancel) it sends TERM first: tidy up here.
# 超时或取消时先收到 TERM 信号，可在此清理。
trap 'echo "Asked to stop."; exit 143' TERM
