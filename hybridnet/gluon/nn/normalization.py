"""Normalisation layers: batch, layer, RMS, group and instance norm."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.errors import ShapeError, fail
from hybridnet.gluon.hybrid import HybridBlock


class _Norm(HybridBlock):
    """What they share: gamma and beta of the length of an axis, learnt where ``scale`` and ``center`` say so."""

    def __init__(
        self,
        size: int,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        prefix: str | None = None,
        params: Any = None,
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        self._epsilon, self._center, self._scale = epsilon, center, scale
        self.gamma = self._statistic("gamma", size, gamma_initializer, scale)
        self.beta = self._statistic("beta", size, beta_initializer, center)

    def _statistic(self, name: str, size: int, init: Any, learnt: bool) -> Any:
        return self.params.get(
            name, grad_req="write" if learnt else "null", shape=(size,), init=init, allow_deferred_init=True, differentiable=learnt
        )

    def _take_size(self, x: Any, axis: int) -> None:
        if not -x.ndim <= axis < x.ndim:
            fail(ShapeError, type(self).__name__, expected=f"data with an axis {axis}", got=str(x.shape))
        for parameter in self._reg_params.values():
            parameter.shape = (x.shape[axis],)

    def _described(self, **values: Any) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in values.items())})"


class BatchNorm(_Norm):
    """Each channel (``axis``) brought to mean 0 and variance 1 over the batch, times gamma plus beta.

    In training by the batch's statistics, which the running ones follow with ``momentum``; in
    prediction, or with ``use_global_stats``, by the running ones. Parameters stay float32 when the
    network is cast to 16 bits.
    """

    def __init__(
        self,
        axis: int = 1,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        use_global_stats: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        running_mean_initializer: Any = "zeros",
        running_variance_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, epsilon, center, scale, beta_initializer, gamma_initializer, **kwargs)
        self._axis = axis
        self._kwargs: dict[str, Any] = {
            "axis": axis,
            "eps": epsilon,
            "momentum": momentum,
            "fix_gamma": not scale,
            "use_global_stats": use_global_stats,
        }
        self.running_mean = self._statistic("running_mean", in_channels, running_mean_initializer, False)
        self.running_var = self._statistic("running_var", in_channels, running_variance_initializer, False)

    def infer_shape(self, x: Any, *args: Any) -> None:
        self._take_size(x, self._axis)

    def cast(self, dtype: Any) -> None:
        super().cast("float32" if dtypes.as_dtype(dtype).itemsize == 2 else dtype)

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any) -> Any:
        return F.BatchNorm(x, gamma, beta, running_mean, running_var, name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        return self._described(**self._kwargs, in_channels=self.gamma.shape[0] or None)


class BatchNormReLU(BatchNorm):
    """BatchNorm followed by relu."""

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any) -> Any:
        return F.Activation(super().hybrid_forward(F, x, gamma, beta, running_mean, running_var), act_type="relu")


class LayerNorm(_Norm):
    """Each row along ``axis`` brought to mean 0 and variance 1, times gamma plus beta."""

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, epsilon, center, scale, beta_initializer, gamma_initializer, **kwargs)
        self._axis = axis

    def infer_shape(self, x: Any, *args: Any) -> None:
        self._take_size(x, self._axis)

    def hybrid_forward(self, F: Any, data: Any, gamma: Any, beta: Any) -> Any:  # type: ignore[override]
        return F.LayerNorm(data, gamma, beta, axis=self._axis, eps=self._epsilon)

    def __repr__(self) -> str:
        return self._described(eps=self._epsilon, axis=self._axis, center=self._center, scale=self._scale, in_channels=self.gamma.shape[0])


class RMSNorm(HybridBlock):
    """x / sqrt(mean of x² along ``axis`` + epsilon), times gamma (Zhang and Sennrich, arXiv 1910.07467)."""

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-6,
        scale: bool = True,
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._axis, self._epsilon = axis, epsilon
        shape, req = (in_channels,), "write" if scale else "null"
        self.gamma = self.params.get(
            "gamma", grad_req=req, shape=shape, init=gamma_initializer, allow_deferred_init=True, differentiable=scale
        )

    def infer_shape(self, x: Any, *args: Any) -> None:
        self.gamma.shape = (x.shape[self._axis],)

    def hybrid_forward(self, F: Any, x: Any, gamma: Any) -> Any:
        return F.contrib.rms_norm(x, gamma, name="fwd", axis=self._axis, eps=self._epsilon)

    def __repr__(self) -> str:
        return f"RMSNorm(eps={self._epsilon}, axis={self._axis})"


class GroupNorm(_Norm):
    """Each of ``num_groups`` groups of channels of each sample brought to mean 0 and variance 1, times gamma plus beta.

    gamma and beta have one element a group, as in MXNet 1.x; with ``in_channels`` one a channel, as in 2.x.
    """

    def __init__(
        self,
        num_groups: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels or num_groups, epsilon, center, scale, beta_initializer, gamma_initializer, **kwargs)
        self._num_groups = num_groups

    def hybrid_forward(self, F: Any, data: Any, gamma: Any, beta: Any) -> Any:  # type: ignore[override]
        return F.GroupNorm(data, gamma, beta, num_groups=self._num_groups, eps=self._epsilon)

    def __repr__(self) -> str:
        return self._described(eps=self._epsilon, num_groups=self._num_groups, center=self._center, scale=self._scale)


class InstanceNorm(_Norm):
    """Each channel (``axis``) of each sample brought to mean 0 and variance 1, times gamma plus beta."""

    def __init__(
        self,
        axis: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, epsilon, center, scale, beta_initializer, gamma_initializer, **kwargs)
        self._axis = axis

    def infer_shape(self, x: Any, *args: Any) -> None:
        self._take_size(x, self._axis)

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any) -> Any:
        if self._axis == 1:
            return F.InstanceNorm(x, gamma, beta, name="fwd", eps=self._epsilon)
        y = F.InstanceNorm(F.swapaxes(x, dim1=1, dim2=self._axis), gamma, beta, name="fwd", eps=self._epsilon)
        return F.swapaxes(y, dim1=1, dim2=self._axis)

    def __repr__(self) -> str:
        return self._described(eps=self._epsilon, axis=self._axis, center=self._center, scale=self._scale, in_channels=self.gamma.shape[0])
