"""Addresses outside the admin: what a signed link in a message opens."""

from django.urls import path

from alerts.views import acknowledge

urlpatterns = [path("alerts/acknowledge/<str:token>/", acknowledge, name="alerts-acknowledge")]
