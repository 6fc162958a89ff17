"""The API of the Django project."""

from django.contrib.auth.models import User
from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response


@api_view(["GET"])
@permission_classes([IsAuthenticated])
def profile(request):
    """Returns the user of the request, as the project's own table has the user."""
    user = User.objects.get(pk=request.user.id)
    return Response({"id": user.pk, "username": user.username})


urlpatterns = [path("profile", profile)]
