# The project and all it needs, on Debian. It names no package of the environment: the set-up takes those of .ci/environment.sh
# with apt, and those of pyproject.toml with pip. tests/test_recipes.py runs these steps with a stand-in for apt.
FROM debian:trixie-slim
ENV SCALING_LIMITS_INSTALL=yes LANG=C.UTF-8
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates make && apt-get clean
WORKDIR /project
# first what names packages: while it stays the same, so does the layer with the environment
COPY in-env pyproject.toml environment.yml ./
COPY .ci .ci
RUN ./in-env --set-up && apt-get clean
COPY . .
CMD ["./in-env", "bash"]
