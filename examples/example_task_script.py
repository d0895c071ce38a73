"""Example of a Python job: copy it, keep what you need. 示例 Python 作业：复制后按需修改。

Try it on your own machine first; the portal needs nothing special:
    PORTAL_OUTPUT=/tmp/outputs.txt python example_task_script.py
"""

import os
import sys
import time

# 1. Variables. Every run has these; your own stand in the job's "environment" and "secrets".
# 1. 变量：每次运行都有下面这些；自定义变量写在作业的“环境变量”和“密钥”里。
RUN = os.environ.get("PORTAL_RUN_ID", "local")
ATTEMPT = int(os.environ.get("PORTAL_ATTEMPT", "1"))
BATCH = int(os.environ.get("BATCH_SIZE", "1000"))


def output(**values):
    """3. Outputs: name=value lines in $PORTAL_OUTPUT. 输出变量：写入 $PORTAL_OUTPUT 的 name=value 行。"""
    path = os.environ.get("PORTAL_OUTPUT")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())


def batches(rows, size):
    """Long work goes in pieces: memory stays small, and the log shows that it moves. 大任务分批处理。"""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


# 2. The portal calls execute_task() with the run's parameters and keeps what it returns.
#    A script without execute_task() simply runs from top to bottom.
# 2. 门户以运行参数调用 execute_task()，并保存其返回值；没有该函数时，脚本从上到下执行。
def execute_task(count=2500):
    print(f"Run {RUN}, attempt {ATTEMPT}: {count} rows in batches of {BATCH}")  # print() is the log 打印即日志

    rows = list(range(count))
    if not rows:
        # 4. Business failure: expected, somebody should look, never retried.
        # 4. 业务失败：预期内的结果，需要人处理，不会重试。
        print("There is nothing to process.", file=sys.stderr)
        sys.exit(1)

    done = 0
    for batch in batches(rows, BATCH):
        time.sleep(0.2)  # the real work 实际工作
        done += len(batch)
        print(f"{done} of {count} rows done")

    # 5. Any uncaught exception is a technical failure: retried as the job says.
    # 5. 未捕获的异常是技术失败：按作业的重试策略重试。
    if done != count:
        raise RuntimeError(f"{count - done} rows are missing")

    output(rows=done)
    return {"rows": done}


if __name__ == "__main__":
    execute_task()  # the portal sees this and does not call it a second time 门户不会重复调用
